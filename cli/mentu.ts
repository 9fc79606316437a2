/** `mentu`: what the captures have left behind, as signals. */
import { runProgram } from './program.ts';
import type { Program } from './command.ts';

const program: Program = {
  name: 'mentu',
  summary: 'Queries what jobs contacted, sent and got back.',
  commands: {
    cir: {
      summary: 'Signals: every captured flow, every violation, and what you add.',
      commands: {
      },
    },
  },
};

await runProgram(program, process.argv.slice(2));
