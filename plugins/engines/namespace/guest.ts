/** A guest of the namespace engine, as the host holds it. */
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { MentuError } from '../../../core/index.ts';
import type { Guest, GuestExit, PlaneDrops, PlaneListeners } from '../engine.ts';
import type { PlaneProcess } from '../plane/plane-process.ts';
import type { HelperExit } from '../plane/message.ts';
import type { GuestPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]));

export class NamespaceGuest implements Guest {
  readonly listeners: PlaneListeners | null;
  readonly boot: Record<string, number>;
  readonly exited: Promise<GuestExit>;
  readonly terminal: Terminal | null;
  readonly facts = {};
  readonly unenforced: readonly string[] = [];
  readonly #helper: PlaneProcess<GuestPlan>;
  readonly #prepared: number;
  #closed: Promise<void> | null = null;
  #over = false;

  /** `prepared`: when the preparation began, by performance.now(). */
  constructor(helper: PlaneProcess<GuestPlan>, listeners: PlaneListeners | null, terminal: Terminal | null, boot: Record<string, number>, prepared: number) {
    this.#helper = helper;
    this.listeners = listeners;
    this.terminal = terminal;
    this.boot = boot;
    this.#prepared = prepared;
    this.exited = helper.exited.then((exit) => {
      this.#over = true;
      return this.#exitOf(exit);
    });
  }

  async run(): Promise<void> {
    Object.assign(this.boot, await this.#helper.request('run'));
    this.boot['total'] = performance.now() - this.#prepared;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#over || this.terminal?.signal(name)) return;
    this.#helper.request('signal', { signal: name }).catch(() => undefined); // a guest that is gone needs no signal
  }

  connect(port: number): Promise<Socket> {
    return this.#helper.request('connect', { port });
  }

  drops(): Promise<PlaneDrops> {
    return this.#helper.request('drops');
  }

  close(): Promise<void> {
    this.#closed ??= this.#helper.close().finally(() => this.terminal?.close());
    return this.#closed;
  }

  #exitOf({ code, reason }: HelperExit): GuestExit {
    if (code !== null) return { code, signal: SIGNALS.get(code - 128) ?? null };
    if (this.#closed !== null) return { code: 128 + constants.signals.SIGKILL, signal: 'SIGKILL' };
    return { code: 125, signal: null, failure: new MentuError('engine_failed', { reason: reason ?? 'unknown' }) };
  }
}
