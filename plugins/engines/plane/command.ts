/** Runs a short-lived tool to its end, bounded in time and in output. */
import { spawn } from 'node:child_process';

const TIME_LIMIT_MS = 10_000;
const OUTPUT_LIMIT = 1 << 20;

export interface RunningCommand {
  /** What the tool reads. The tool has been started, in the namespaces of the moment, when the command exists. */
  feed(input: string): void;
  /** Its stdout. Rejects with the tool's own words where it fails or takes too long. */
  readonly done: Promise<string>;
}

export function startCommand(file: string, args: readonly string[]): RunningCommand {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' });
  const collect = (stream: NodeJS.ReadableStream): (() => string) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      if (text.length < OUTPUT_LIMIT) text += chunk;
    });
    return () => text;
  };
  const [output, errors] = [collect(child.stdout), collect(child.stderr)];
  child.stdin.on('error', () => undefined); // the exit code tells
  const done = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output());
      else reject(new Error(`${file}: ${errors().trim() || (signal ?? `exit code ${code}`)}`));
    });
  });
  done.catch(() => undefined); // whoever started it awaits it; until then a failure is not unhandled
  return { feed: (input) => child.stdin.end(input), done };
}
