/** Flows of every kind through each engine: one line for each, which says what happened. */
import { CAPTURES } from './captures.ts';
import { tryCaptures } from './capturing.ts';
import { ENGINES } from './engines.ts';

for (const engine of ENGINES) tryCaptures(engine, engine.patience === 1 ? CAPTURES : CAPTURES.filter(({ long }) => !long));
