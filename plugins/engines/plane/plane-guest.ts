/** A guest whose helper lives in its plane, as the host holds it. */
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { MentuError } from '../../../core/index.ts';
import type { Guest, GuestExit, GuestPackets, GuestTerminal, PlaneDrops, PlaneListeners } from '../engine.ts';
import type { HelperExit } from './message.ts';
import type { PlaneProcess } from './plane-process.ts';

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]));

/** A guest's terminal as the engine holds it. */
export interface HeldTerminal extends GuestTerminal {
  /** Where it can say by itself which processes are in its foreground; false where it could not reach any. */
  signal?(name: NodeJS.Signals): boolean;
  close(): void;
}

export interface PreparedGuest {
  readonly helper: Pick<PlaneProcess<unknown>, 'request' | 'exited' | 'packets' | 'close'>;
  readonly listeners: PlaneListeners | null;
  readonly terminal: HeldTerminal | null;
  /** What is known of the start so far; its parts go on in `run`. */
  readonly boot: Record<string, number>;
  /** When the preparation began, by performance.now(). */
  readonly began: number;
  /** What bounds the guest from outside. */
  readonly controls?: { readonly outOfMemory: boolean; close(): Promise<void> } | null | undefined;
  readonly facts?: Readonly<Record<string, string>> | undefined;
  readonly unenforced?: readonly string[] | undefined;
}

export class PlaneGuest implements Guest {
  readonly listeners: PlaneListeners | null;
  readonly boot: Record<string, number>;
  readonly exited: Promise<GuestExit>;
  readonly terminal: HeldTerminal | null;
  readonly packets: GuestPackets | null;
  readonly facts: Readonly<Record<string, string>>;
  readonly unenforced: readonly string[];
  readonly #helper: PreparedGuest['helper'];
  readonly #began: number;
  readonly #controls: PreparedGuest['controls'];
  #closed: Promise<void> | null = null;
  #over = false;

  constructor({ helper, listeners, terminal, boot, began, controls, facts = {}, unenforced = [] }: PreparedGuest) {
    this.#helper = helper;
    this.listeners = listeners;
    this.packets = helper.packets;
    this.terminal = terminal;
    this.boot = boot;
    this.#began = began;
    this.#controls = controls;
    this.facts = facts;
    this.unenforced = unenforced;
    this.exited = helper.exited.then((exit) => {
      this.#over = true;
      return { ...this.#exitOf(exit), ...(controls?.outOfMemory ? { outOfMemory: true } : {}) };
    });
  }

  async run(): Promise<void> {
    Object.assign(this.boot, await this.#helper.request('run'));
    this.boot['total'] = performance.now() - this.#began;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#over || this.terminal?.signal?.(name)) return;
    this.#helper.request('signal', { signal: name }).catch(() => undefined); // a guest that is gone needs no signal
  }

  connect(port: number): Promise<Socket> {
    return this.#helper.request('connect', { port });
  }

  drops(): Promise<PlaneDrops> {
    return this.#helper.request('drops');
  }

  close(): Promise<void> {
    this.#closed ??= this.#helper.close().finally(() => {
      this.terminal?.close();
      return this.#controls?.close();
    });
    return this.#closed;
  }

  #exitOf({ code, reason }: HelperExit): GuestExit {
    if (code !== null) return { code, signal: SIGNALS.get(code - 128) ?? null };
    if (this.#closed !== null) return { code: 128 + constants.signals.SIGKILL, signal: 'SIGKILL' };
    return { code: 125, signal: null, failure: new MentuError('engine_failed', { reason: reason ?? 'unknown' }) };
  }
}
