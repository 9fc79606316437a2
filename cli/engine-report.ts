/** What an engine needs and lacks, and the proof of its sandbox: the report of `doctor`. */
import { QuicTransport } from '../core/quic/transport.ts';
import type { Finding } from '../plugins/engines/engine.ts';
import { loadEngine, proveEngine } from './engines.ts';
import { safeJson, visible, write } from './output.ts';

const NAME_WIDTH = 22;
/** What stands on both sides of a name. */
const INDENT = 10;

/** @param name null takes the default engine. Resolves to the exit code. */
export async function reportEngine(name: string | null, json: boolean): Promise<number> {
  const engine = await loadEngine(name);
  const examined = await engine.examine();
  const ready = examined.every(({ ok }) => ok);
  const proven = ready ? await proveEngine(engine.name) : [];
  const findings = [...examined, ...proven];
  const ok = findings.every((finding) => finding.ok);
  const { reason } = await QuicTransport.load(null);
  if (json) {
    await write(`${safeJson({ engine: engine.name, boundary: engine.boundary, node: process.version, http3: { available: reason === null, reason }, ok, findings }, 2)}\n`);
    return ok ? 0 : 1;
  }
  await write(`engine: ${engine.name} (boundary: ${engine.boundary}), Node ${process.version}\n\n`);
  await section('what the engine needs', examined);
  if (ready) await section('self-test: each probe, with its control', proven);
  else await write('self-test: not run, for something is missing.\n');
  await write(reason === null ? 'HTTP/3: captured.\n' : `HTTP/3: refused, so that clients fall back to TCP, for QUIC cannot be spoken here: ${visible(reason)}\n        npm install --include=optional @matrixai/quic\n`);
  await write(ok ? 'Everything holds.\n' : 'Not everything holds.\n');
  return ok ? 0 : 1;
}

export async function section(title: string, findings: readonly Finding[]): Promise<void> {
  await write(`${title}\n`);
  for (const { name, ok, detail, mend } of findings) {
    const lines = detail.trim().split(/\r?\n/).map(visible);
    await write(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(NAME_WIDTH)}  ${lines.join(`\n${' '.repeat(NAME_WIDTH + INDENT)}`)}\n`);
    if (!ok && mend !== undefined) await write(`        ${mend}\n`);
  }
  await write('\n');
}
