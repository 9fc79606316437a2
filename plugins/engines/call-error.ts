import { constants as system } from 'node:os';

/** A call that failed, with the name of its error (`EPERM`). */
export class CallError extends Error {
  readonly errno: string;

  constructor(call: string, number: number) {
    const name = Object.entries(system.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
    super(`${call}: ${name}`);
    this.name = 'CallError';
    this.errno = name;
  }
}
