/** `mentu`: runs recipes, and queries what the captures have left behind. */
import { start } from './start.ts';

await start({
  name: 'mentu',
  summary: 'Runs recipes, and queries what jobs contacted, sent and got back.',
  commands: {
    run: { summary: 'Runs the steps of a recipe, in guests or on the host.', load: () => import('./commands/run.ts') },
    recipe: {
      summary: 'Recipes: what `mentu run` runs.',
      commands: {
        list: { summary: 'Lists the recipes that have names.', load: () => import('./commands/recipe/list.ts') },
        validate: { summary: 'Checks a recipe without running it.', load: () => import('./commands/recipe/validate.ts') },
        show: { summary: 'Prints a recipe as it takes effect.', load: () => import('./commands/recipe/show.ts') },
      },
    },
    cir: {
      summary: 'Signals: every captured flow, every violation, and what you add.',
      commands: {
        query: { summary: 'Lists signals by type, time, job and filter.', load: () => import('./cir/query.ts') },
        search: { summary: 'Finds signals by words of their text.', load: () => import('./cir/search.ts') },
        capture: { summary: 'Adds a signal of your own.', load: () => import('./cir/capture.ts') },
        stats: { summary: 'Counts what the store holds.', load: () => import('./cir/stats.ts') },
        ingest: { summary: 'Adds the flows of a flows.jsonl, for instance after a crash.', load: () => import('./cir/ingest.ts') },
      },
    },
  },
});
