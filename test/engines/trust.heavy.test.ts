/** Chromium trusts the job's CA by its managed policy; and all ways of all clients, in the engines in which they take long. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findTool } from '../../plugins/engines/tools.ts';
import { ENGINES } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import type { JobResult } from './job.ts';
import { ANSWER, ORIGIN, Origin } from './origin.ts';
import { tryTrust } from './trusting.ts';

let origin: Origin;
before(() => {
  origin = new Origin();
});
after(() => origin.close());

/** A guest has no user namespaces of its own, so that the browser's own sandbox cannot be. */
function browse(engine: TestedEngine, caCertificate: string | null): Promise<JobResult> {
  const limitS = 60 * engine.patience;
  const script = `timeout ${limitS} chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --timeout=${limitS * 1000 - 10_000} --dump-dom ${ORIGIN}`;
  return origin.visit(engine, script, caCertificate, { limitMs: limitS * 1000 + 5000 });
}

for (const engine of ENGINES) {
  test(`chromium trusts the job's CA in a guest of ${engine.name}, and would not without it`, { skip: findTool('chromium') === null && 'not on this machine', timeout: 200_000 * engine.patience }, async () => {
    const trusting = await browse(engine, origin.authority);
    assert.match(trusting.stdout, new RegExp(ANSWER), trusting.stderr);
    const doubting = await browse(engine, null);
    assert.doesNotMatch(doubting.stdout, new RegExp(ANSWER));
    console.log(`The job's CA is trusted in a guest of ${engine.name}, and an origin not without it, by: Chromium`);
  });
}

for (const engine of ENGINES.filter(({ patience }) => patience > 1)) tryTrust(engine, () => true);
