/**
 * A program for the inside of a guest: tries what a guest must not be able to do, and says how far it came. It is run
 * by the self-test and by the isolation tests, with and without the guard that it probes.
 *
 *   node probe.ts '[{"try": "tcp", "host": "127.0.0.1", "port": 80}, …]'
 *
 * prints one JSON array of outcomes to stdout.
 */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { createConnection } from 'node:net';
import { constants as system } from 'node:os';

export type Attempt =
  /** Connects and reads the first words of the other side. */
  | { readonly try: 'tcp'; readonly host: string; readonly port: number }
  /** Connects to a Unix socket, abstract where the path begins with NUL, and reads the first words. */
  | { readonly try: 'unix'; readonly path: string }
  /** Sends a datagram and waits for an answer. */
  | { readonly try: 'udp'; readonly host: string; readonly port: number; readonly text: string }
  /** Opens a FIFO that someone reads, and writes to it. */
  | { readonly try: 'fifo'; readonly path: string; readonly text: string }
  | { readonly try: 'read'; readonly path: string }
  /** Opens for writing what is there, and writes nothing. */
  | { readonly try: 'open'; readonly path: string }
  | { readonly try: 'write'; readonly path: string; readonly text: string }
  /** Writes a byte into another process's memory, at the start of its stack. */
  | { readonly try: 'memory'; readonly pid: number }
  /** A system call with up to six integers; the number is the architecture's. */
  | { readonly try: 'call'; readonly number: number; readonly arguments: readonly number[] }
  | { readonly try: 'signal'; readonly pid: number }
  | { readonly try: 'command'; readonly command: readonly string[] };

export interface Outcome {
  /** The attempt was carried out. */
  readonly reached: boolean;
  /** What came back: first words, text of a file, a call's result; or the error's name. */
  readonly detail: string;
}

const LIMIT_MS = 1_500;
/** A program takes a second to start where the guest's processor is translated. */
const COMMAND_LIMIT_MS = 10_000;
const READ_LIMIT = 256;

async function attempt(what: Attempt): Promise<Outcome> {
  try {
    return { reached: true, detail: await carryOut(what) };
  } catch (error) {
    return { reached: false, detail: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

async function carryOut(what: Attempt): Promise<string> {
  switch (what.try) {
    case 'tcp':
      return firstWords({ host: what.host, port: what.port });
    case 'unix':
      return firstWords({ path: what.path });
    case 'udp':
      return answer(what.host, what.port, what.text);
    case 'fifo':
      return appended(what.path, what.text, constants.O_WRONLY | constants.O_NONBLOCK);
    case 'read':
      return readStart(what.path);
    case 'open':
      closeSync(openSync(what.path, constants.O_WRONLY));
      return 'opened';
    case 'write':
      return appended(what.path, what.text, constants.O_WRONLY | constants.O_CREAT);
    case 'memory':
      return touchStack(what.pid);
    case 'call':
      return systemCall(what.number, what.arguments);
    case 'signal':
      process.kill(what.pid, 0);
      return 'exists';
    case 'command':
      return commandOutput(what.command);
  }
}

function firstWords(to: { host: string; port: number } | { path: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(to);
    socket.setTimeout(LIMIT_MS, () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    socket.on('error', reject);
    socket.on('data', (words) => {
      resolve(String(words).trim());
      socket.destroy();
    });
    socket.on('close', () => reject(Object.assign(new Error(), { code: 'CLOSED' })));
  });
}

function answer(host: string, port: number, text: string): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    setTimeout(() => reject(Object.assign(new Error(), { code: 'TIMEOUT' })), LIMIT_MS);
    socket.on('error', reject);
    socket.on('message', (words) => resolve(String(words)));
    socket.send(text, port, host);
  }).finally(() => socket.close());
}

function appended(path: string, text: string, flags: number): string {
  const fd = openSync(path, flags, 0o600);
  try {
    return `${writeSync(fd, text)} bytes`;
  } finally {
    closeSync(fd);
  }
}

function readStart(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const start = Buffer.alloc(READ_LIMIT);
    const length = readSync(fd, start);
    if (length === 0) throw Object.assign(new Error(), { code: 'EMPTY' });
    return start.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

/** Reads a byte of the process's stack and writes the same byte back. */
function touchStack(pid: number): string {
  const line = readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n').find((entry) => entry.endsWith('[stack]'));
  if (line === undefined) throw Object.assign(new Error(), { code: 'NO_STACK' });
  const end = Number.parseInt(line.split(/[- ]/)[1]!, 16);
  const fd = openSync(`/proc/${pid}/mem`, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, end - 16);
    return `${writeSync(fd, byte, 0, 1, end - 16)} bytes`;
  } finally {
    closeSync(fd);
  }
}

async function systemCall(number: number, integers: readonly number[]): Promise<string> {
  const { default: koffi } = await import('koffi');
  const call = koffi.load(null).func('long syscall(long number, long a, long b, long c, long d, long e, long f)');
  const result = Number(call(number, ...Array.from({ length: 6 }, (_, index) => integers[index] ?? 0)));
  if (result >= 0) return String(result);
  const errno = koffi.errno();
  throw Object.assign(new Error(), { code: Object.entries(system.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}` });
}

function commandOutput([file = '', ...args]: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', timeout: COMMAND_LIMIT_MS });
  if (error) throw error;
  if (status !== 0) throw Object.assign(new Error(), { code: `exit ${status}: ${stderr.trim()}` });
  return stdout.trim();
}

const outcomes: Outcome[] = [];
for (const what of JSON.parse(process.argv[2] ?? '[]') as Attempt[]) outcomes.push(await attempt(what));
writeSync(1, `${JSON.stringify(outcomes)}\n`);
