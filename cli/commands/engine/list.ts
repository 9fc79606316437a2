import { defineCommand } from '../../command.ts';
import { ENGINE_NAMES, defaultEngine, engineTraits, loadEngine } from '../../engines.ts';
import { safeJson, write } from '../../output.ts';
import { writeTable } from '../../table.ts';

interface EngineRow {
  readonly name: string;
  readonly boundary: string;
  readonly ready: boolean;
  readonly default: boolean;
  readonly missing: readonly { readonly name: string; readonly detail: string; readonly mend?: string | undefined }[];
}

export default defineCommand({
  description: 'Lists the guest engines: what separates a guest from this machine, and whether each can run here.',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  notes: 'The boundary "kernel" is a virtual machine with a kernel of its own; "namespace" shares the kernel of this machine.',
  async run({ flags }) {
    const rows = await Promise.all(ENGINE_NAMES.map(describeEngine));
    if (flags.json) await write(`${safeJson(rows, 2)}\n`);
    else await writeTable(columns, rows);
    return 0;
  },
});

async function describeEngine(name: string): Promise<EngineRow> {
  const { boundary, platform } = engineTraits(name);
  const isHere = platform === process.platform;
  const findings = isHere ? await (await loadEngine(name)).examine() : [];
  const missing = findings.filter(({ ok }) => !ok).map(({ name: what, detail, mend }) => ({ name: what, detail, mend }));
  return {
    name,
    boundary,
    ready: isHere && missing.length === 0,
    default: isHere && name === defaultEngine(),
    missing: isHere ? missing : [{ name: platform, detail: `this is ${process.platform}` }],
  };
}

const columns = [
  { title: 'ENGINE', text: (row: EngineRow) => row.name },
  { title: 'BOUNDARY', text: (row: EngineRow) => row.boundary },
  { title: 'SET UP', text: (row: EngineRow) => (row.ready ? 'yes' : 'no') },
  { title: 'DEFAULT', text: (row: EngineRow) => (row.default ? 'yes' : '') },
  { title: 'MISSING', text: (row: EngineRow) => row.missing.map(({ name, detail }) => `${name}: ${detail}`).join('; ') },
];
