/** A capture that never ends: writes flows.jsonl into FOLDER and signals into the store until it is killed. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { storeFile } from '../../../plugins/cir-sink/location.ts';
import { SignalQueue } from '../../../plugins/cir-sink/queue.ts';
import { asCompleted, flowSample } from '../../plugins/cir-sink/flow-sample.ts';

const queue = new SignalQueue({ file: storeFile(), warn: console.error });
for (let number = 0; ; number++) {
  const record = flowSample(number, {}, 'job_killed');
  appendFileSync(join(process.argv[2]!, 'flows.jsonl'), `${JSON.stringify(record)}\n`);
  queue.add(asCompleted(record));
  if (number % 50 === 0) await sleep(1);
  if (number === 5000) process.send?.('running');
}
