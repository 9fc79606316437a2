import type { Finding } from '../../plugins/engines/engine.ts';
import { defineCommand } from '../command.ts';
import { loadEngine, proveEngine } from '../engines.ts';
import { safeJson, visible, write } from '../output.ts';

export default defineCommand({
  description: 'Says what the guest engine of this machine needs and lacks, with the one line that mends it, and proves the sandbox by a self-test.',
  flags: {
    engine: { type: 'string', value: 'NAME', description: 'the engine to examine (default: the one for this machine)' },
    json: { type: 'boolean', description: 'print JSON' },
  },
  notes: 'Exit code 0 where everything holds, 1 where something is missing or the self-test fails.',
  async run({ flags }) {
    const engine = await loadEngine(flags.engine ?? null);
    const examined = await engine.examine();
    const ready = examined.every(({ ok }) => ok);
    const proven = ready ? await proveEngine(engine.name) : [];
    const findings = [...examined, ...proven];
    const ok = findings.every((finding) => finding.ok);
    if (flags.json) {
      await write(`${safeJson({ engine: engine.name, boundary: engine.boundary, node: process.version, ok, findings }, 2)}\n`);
      return ok ? 0 : 1;
    }
    await write(`engine: ${engine.name} (boundary: ${engine.boundary}), Node ${process.version}\n\n`);
    await section('what the engine needs', examined);
    if (ready) await section('self-test: each probe, with its control', proven);
    else await write('self-test: not run, for something is missing.\n');
    await write(ok ? 'Everything holds.\n' : 'Not everything holds.\n');
    return ok ? 0 : 1;
  },
});

async function section(title: string, findings: readonly Finding[]): Promise<void> {
  await write(`${title}\n`);
  for (const { name, ok, detail, mend } of findings) {
    await write(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(22)}  ${visible(detail)}\n`);
    if (!ok && mend !== undefined) await write(`        ${mend}\n`);
  }
  await write('\n');
}
