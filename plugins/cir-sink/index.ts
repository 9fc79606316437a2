/** `cir-sink`: each flow becomes a signal in the user's store, and each violation another. */
import { join } from 'node:path';
import { defineCapturePlugin } from '../../core/index.ts';
import { storeFile } from './location.ts';
import { SignalQueue } from './queue.ts';

export default defineCapturePlugin({
  name: 'cir-sink',
  description: 'Writes each flow and each violation as a signal to the CIR store ($MENTU_HOME/cir.db).',
  setup({ hooks, job, warn }) {
    const queue = new SignalQueue({ file: storeFile(), warn });
    let flows = 0;
    hooks.onFlowComplete.sink.tap('cir-sink', (flow) => {
      flows++;
      queue.add(flow);
    });
    hooks.onClose.tapPromise('cir-sink', () => queue.close(join(job.directory, 'flows.jsonl'), flows));
  },
});
