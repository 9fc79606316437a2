/** `mentu`: what the captures have left behind, as signals. */
import { start } from './start.ts';

await start({
  name: 'mentu',
  summary: 'Queries what jobs contacted, sent and got back.',
  commands: {
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
