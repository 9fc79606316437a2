import { statSync } from 'node:fs';
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { openCir } from '../../plugins/cir-sink/cir.ts';
import { ingestFlows } from '../../plugins/cir-sink/ingest.ts';
import { defineCommand } from '../command.ts';
import { note, visible, write } from '../output.ts';

/** Bad lines told of for each file; the others are counted. */
const TOLD = 20;

export default defineCommand({
  description: "Adds the flows of flows.jsonl files to the store; a job's folder stands for its file. What is stored already stays as it is.",
  positionals: { usage: 'FILE…', min: 1, max: Infinity },
  flags: {},
  notes: `
A line that is no flow record is named by its number and left out, and so is a last line that breaks
off, as a crash leaves it.

Exit codes: 0 all is stored (a last line that breaks off does not count); 1 lines were left out, or a
file or the store cannot be used; 2 a mistake in the arguments.`,
  async run({ positionals }) {
    const cir = openCir();
    let failed = false;
    try {
      for (const name of positionals) {
        try {
          failed = !(await ingest(name)) || failed;
        } catch (error) {
          if (!(error instanceof MentuError) || error.code !== 'file_unreadable' || positionals.length === 1) throw error;
          note(error.toString());
          failed = true;
        }
      }
    } finally {
      await cir.close();
    }
    return failed ? 1 : 0;

    /** True where every whole line was a flow. */
    async function ingest(name: string): Promise<boolean> {
      const file = flowsFile(name);
      let told = 0;
      const { flows, added, bad, torn } = await ingestFlows(file, await cir.store(), {
        onBadLine: (line, reason) => {
          if (told++ < TOLD) note(visible(`${file}:${line}: ${reason}.`));
        },
      });
      if (told > TOLD) note(visible(`${file}: ${told - TOLD} more lines are no flow records.`));
      const left = bad + (torn === null ? 0 : 1);
      await write(`${visible(file)}: ${flows} flows read, ${added} signals new${left > 0 ? `, ${left} lines left out` : ''}\n`);
      return bad === 0;
    }
  },
});

function flowsFile(name: string): string {
  try {
    const stats = statSync(name);
    if (stats.isDirectory()) return flowsFile(join(name, 'flows.jsonl'));
    if (!stats.isFile() && !stats.isFIFO()) throw new Error('it is no file');
    return name;
  } catch (error) {
    if (error instanceof MentuError) throw error;
    throw new MentuError('file_unreadable', { what: 'record', file: name, reason: (error as Error).message });
  }
}
