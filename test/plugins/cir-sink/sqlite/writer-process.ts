/** A process that fills a store: FILE JOB BATCHES SIZE. Tells when the first batch is stored, and at the end how many were new. */
import { signalsOf } from '../../../../plugins/cir-sink/projection.ts';
import { openSqliteStore } from '../../../../plugins/cir-sink/sqlite/sqlite-store.ts';
import { flowSample } from '../flow-sample.ts';

const [file, job, batches, size] = process.argv.slice(2) as [string, string, string, string];
const store = await openSqliteStore(file);
let added = 0;
for (let batch = 0; batch < Number(batches); batch++) {
  const from = batch * Number(size);
  added += await store.append(Array.from({ length: Number(size) }, (_, i) => signalsOf(flowSample(from + i, {}, job))[0]!));
  if (batch === 0) process.send?.('started');
}
await store.close();
process.send?.({ added });
process.disconnect?.();
