/** Appends each flow as one line to `flows.jsonl` in the job's directory. */
import { join } from 'node:path';
import { defineCapturePlugin } from '../../core/index.ts';
import { LineFile } from './line-file.ts';

export default defineCapturePlugin({
  name: 'jsonl-sink',
  description: 'Appends each flow as one JSON line to a file in the job directory.',
  options: {
    type: 'object',
    properties: {
      file: {
        type: 'string',
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
        default: 'flows.jsonl',
        description: 'Name of the file in the job directory.',
      },
      flushMs: {
        type: 'integer',
        minimum: 1,
        maximum: 900,
        default: 100,
        description: 'Longest time in milliseconds that a finished flow waits before it is written.',
      },
    },
    additionalProperties: false,
  },
  setup({ options, job, hooks, warn }) {
    let file: LineFile | null = null;
    hooks.onStart.tap('jsonl-sink', () => {
      file = new LineFile({ path: join(job.directory, options.file), flushMs: options.flushMs, warn });
    });
    hooks.onFlowComplete.sink.tapPromise('jsonl-sink', async (flow) => file?.add(flow.line));
    hooks.onClose.tapPromise('jsonl-sink', async () => {
      await file?.close();
      file = null;
    });
  },
});
