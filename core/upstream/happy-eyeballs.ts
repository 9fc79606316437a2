/** The first of several addresses that accepts a connection: Happy Eyeballs, version 2 (RFC 8305). */
import { connect, type Socket } from 'node:net';

export interface ConnectTarget {
  readonly address: string;
  readonly port: number;
}

export interface ConnectOptions {
  /** Between the starts of two attempts, in milliseconds (RFC 8305, section 5, recommends 250). */
  readonly staggerMs: number;
  /** For all attempts together, in milliseconds. */
  readonly timeoutMs: number;
  readonly allowHalfOpen: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Connected {
  readonly socket: Socket;
  readonly target: ConnectTarget;
}

/** No target accepted a connection. */
export class ConnectError extends Error {
  readonly reason: 'refused' | 'timeout';
  /** The target that failed first, or was tried first. */
  readonly target: ConnectTarget;

  constructor(reason: 'refused' | 'timeout', target: ConnectTarget, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ConnectError';
    this.reason = reason;
    this.target = target;
  }
}

/** Begins with the first target, and with the next when an attempt fails or `staggerMs` have passed. Rejects with `ConnectError` or the signal's reason. */
export function connectFirst(targets: readonly ConnectTarget[], options: ConnectOptions): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const open = new Set<Socket>();
    const failures: { target: ConnectTarget; error: NodeJS.ErrnoException }[] = [];
    let next = 0;
    let isSettled = false;
    let stagger: NodeJS.Timeout | undefined;

    const settle = (winner: Socket | null): void => {
      isSettled = true;
      clearTimeout(stagger);
      clearTimeout(deadline);
      signal?.removeEventListener('abort', aborted);
      for (const socket of open) if (socket !== winner) socket.destroy();
    };
    const fail = (error: unknown): void => {
      settle(null);
      reject(error);
    };
    const aborted = (): void => fail(signal!.reason);
    const deadline = setTimeout(() => fail(new ConnectError('timeout', targets[0]!, `no connection within ${options.timeoutMs} ms`)), options.timeoutMs);

    const attempt = (): void => {
      clearTimeout(stagger);
      const target = targets[next++]!;
      const socket = connect({ host: target.address, port: target.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, allowHalfOpen: options.allowHalfOpen });
      open.add(socket);
      socket.once('connect', () => {
        settle(socket);
        resolve({ socket, target });
      });
      // Stays on the winner: an error before the new owner listens must not end the process, and `close` tells it all the same.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (isSettled) return;
        open.delete(socket);
        failures.push({ target, error });
        if (next < targets.length) attempt();
        else if (open.size === 0) {
          const { target: first, error: cause } = failures[0]!;
          fail(new ConnectError('refused', first, cause.code ?? cause.message, cause));
        }
      });
      if (next < targets.length) stagger = setTimeout(attempt, options.staggerMs);
    };

    if (signal?.aborted) return fail(signal.reason);
    signal?.addEventListener('abort', aborted, { once: true });
    attempt();
  });
}

/** The families in turn, beginning with the family of the first address (RFC 8305, section 4). */
export function interleaveFamilies<T extends { readonly family: number }>(addresses: readonly T[]): T[] {
  const first = addresses[0]?.family;
  const ours = addresses.filter(({ family }) => family === first);
  const others = addresses.filter(({ family }) => family !== first);
  const mixed: T[] = [];
  for (let i = 0; i < Math.max(ours.length, others.length); i += 1) mixed.push(...ours.slice(i, i + 1), ...others.slice(i, i + 1));
  return mixed;
}
