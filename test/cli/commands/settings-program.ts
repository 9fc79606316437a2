/** The commands of this folder's tests, run as a program of their own. */
import { runProgram } from '../../../cli/program.ts';

await runProgram(
  {
    name: 'settings',
    summary: 'Settings.',
    commands: {
      config: { summary: '', commands: { show: { summary: '', load: () => import('../../../cli/commands/config/show.ts') }, trust: { summary: '', load: () => import('../../../cli/commands/config/trust.ts') } } },
      presets: { summary: '', commands: { list: { summary: '', load: () => import('../../../cli/commands/presets/list.ts') }, show: { summary: '', load: () => import('../../../cli/commands/presets/show.ts') } } },
      plugins: { summary: '', commands: { list: { summary: '', load: () => import('../../../cli/commands/plugins/list.ts') }, new: { summary: '', load: () => import('../../../cli/commands/plugins/new.ts') } } },
    },
  },
  process.argv.slice(2),
);
