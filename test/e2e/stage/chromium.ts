/** Debian's Chromium without a window: loads one page and gives its document as it is after the scripts have run. */
import { existsSync } from 'node:fs';
import type { Handler } from './origin.ts';

export const CHROMIUM = '/usr/bin/chromium';
export const lacksChromium = !existsSync(CHROMIUM) && 'Chromium is not installed (Debian: chromium)';

/** Its command line; `profile` is an empty folder. What it does of its own accord is switched off as far as it can be. */
export function chromiumArgs(url: string, profile: string, ...more: string[]): string[] {
  return [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions', '--disable-default-apps',
    `--user-data-dir=${profile}`, ...more, '--timeout=20000', '--dump-dom', url,
  ];
}

/** A page whose text is complete only where its script and its style were loaded as well. */
export const PAGE: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  '/page': { type: 'text/html; charset=utf-8', text: '<!doctype html><title>stage</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><p id="told">not yet</p><script src="/script.js"></script>' },
  '/style.css': { type: 'text/css', text: '#told { width: 123px; }' },
  '/script.js': { type: 'text/javascript', text: 'const told = document.getElementById("told"); told.textContent = `script ran, width ${getComputedStyle(told).width}`;' },
};

export const servePage: Handler = (request, response) => {
  const { type, text } = PAGE[request.url!]!;
  response.setHeader('content-type', type);
  response.end(text);
};
