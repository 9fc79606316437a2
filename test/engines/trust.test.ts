/** Every client that trusts what its machine trusts; where they take long, each by one of its ways. */
import { ENGINES } from './engines.ts';
import { tryTrust } from './trusting.ts';

for (const engine of ENGINES) tryTrust(engine, ({ further }) => engine.patience === 1 || !further);
