/** Flows of every kind through the engines in which some take too long for every day. */
import { CAPTURES } from './captures.ts';
import { tryCaptures } from './capturing.ts';
import { ENGINES } from './engines.ts';

for (const engine of ENGINES.filter(({ patience }) => patience > 1)) tryCaptures(engine, CAPTURES);
