/**
 * The hooks of a capture, in the order in which a flow meets them:
 *
 *   onStart → onConnect → onRequest → onResponse → onFlowComplete (annotate → redact → freeze → sink) → onClose
 *
 * The hooks are tapable's. Every tap is guarded when it is registered: a tap that decides fails closed
 * (the error becomes a denial), a tap that observes fails alone (the error is reported under its
 * plugin's name and the flow goes on). `freeze` is core's own step and has no taps.
 */
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesHook } from 'tapable';
import { decisionFault, type Decision, type Verdict } from './decision.ts';
import { MentuError } from './errors.ts';
import type { CompletedFlow, Connection, Flow } from './flow.ts';

/** The part of a tapable hook that a plugin uses. A tap without a promise costs the hot path none. */
export interface Tappable<Subject, Result> {
  tap(name: string, observe: (subject: Subject) => Result): void;
  tapPromise(name: string, observe: (subject: Subject) => Promise<Result>): void;
}

/** The hooks as one plugin sees them: taps are booked under its name. Any other name is refused at load. */
export interface PluginHooks {
  /** The capture listens; no traffic has come yet. A failure ends the start. */
  readonly onStart: Tappable<void, void>;
  /** A connection (or a name look-up) before anything is dialled: allow, deny, answer or pass through. */
  readonly onConnect: Tappable<Connection, Decision | void>;
  /** A request head before it is forwarded: decide, or edit it. */
  readonly onRequest: Tappable<Flow, Decision | void>;
  /** A response head before it is forwarded: annotate, or edit its headers. */
  readonly onResponse: Tappable<Flow, void>;
  /** The flow is over and its record complete; stages run in this order, sinks side by side. */
  readonly onFlowComplete: {
    /** Add to the record; sees what sinks may not. */
    readonly annotate: Tappable<CompletedFlow, void>;
    /** Take away from the record and the stored bodies. */
    readonly redact: Tappable<CompletedFlow, void>;
    /** Store or send the frozen record. */
    readonly sink: Tappable<CompletedFlow, void>;
  };
  /** The last flow is complete: flush and let go. */
  readonly onClose: Tappable<void, void>;
}

export const HOOK_NAMES = ['onStart', 'onConnect', 'onRequest', 'onResponse', 'onFlowComplete', 'onClose'] as const;
export const FLOW_COMPLETE_STAGES = ['annotate', 'redact', 'sink'] as const;

/** Reports a failure of a tap that observes. */
export type PluginFailure = (plugin: string, hook: string, error: unknown) => void;

/** What a hook is called with; it notes whose tap runs, for what the tap registers on it. */
type Subject = (Connection | Flow) & { tappedBy?: string };

interface AnyHook {
  readonly taps: readonly unknown[];
  tap(name: string, fn: (subject: never) => unknown): void;
  tapPromise(name: string, fn: (subject: never) => Promise<unknown>): void;
}

export class CaptureHooks {
  readonly #start = new AsyncSeriesHook<[void]>(['subject']);
  readonly #connect = new AsyncSeriesBailHook<[Connection], Verdict>(['connection']);
  readonly #request = new AsyncSeriesBailHook<[Flow], Verdict>(['flow']);
  readonly #response = new AsyncSeriesHook<[Flow]>(['flow']);
  readonly #annotate = new AsyncSeriesHook<[CompletedFlow]>(['flow']);
  readonly #redact = new AsyncSeriesHook<[CompletedFlow]>(['flow']);
  readonly #sink = new AsyncParallelHook<[CompletedFlow]>(['flow']);
  readonly #close = new AsyncSeriesHook<[void]>(['subject']);
  readonly #report: PluginFailure;

  constructor(report: PluginFailure) {
    this.#report = report;
  }

  get recordIsWanted(): boolean {
    return this.#annotate.taps.length + this.#redact.taps.length + this.#sink.taps.length > 0;
  }

  get connectIsTapped(): boolean {
    return this.#connect.taps.length > 0;
  }

  get responseIsTapped(): boolean {
    return this.#response.taps.length > 0;
  }

  /** The hooks for one plugin. Reading any other name throws `unknown_hook`. */
  forPlugin(plugin: string): PluginHooks {
    const observe = (hook: AnyHook, name: string) => observer(hook, plugin, name, this.#report);
    const stages = {
      annotate: observe(this.#annotate as unknown as AnyHook, 'onFlowComplete.annotate'),
      redact: observe(this.#redact as unknown as AnyHook, 'onFlowComplete.redact'),
      sink: observe(this.#sink as unknown as AnyHook, 'onFlowComplete.sink'),
    };
    const hooks = {
      onStart: raw(this.#start as unknown as AnyHook, plugin),
      onConnect: decider(this.#connect as unknown as AnyHook, plugin, 'onConnect'),
      onRequest: decider(this.#request as unknown as AnyHook, plugin, 'onRequest'),
      onResponse: observe(this.#response as unknown as AnyHook, 'onResponse'),
      onFlowComplete: knownNamesOnly(plugin, 'onFlowComplete.', stages),
      onClose: observe(this.#close as unknown as AnyHook, 'onClose'),
    };
    return knownNamesOnly(plugin, '', hooks) as unknown as PluginHooks;
  }

  async start(): Promise<void> {
    await this.#start.promise();
  }

  /** Calls back in the same turn where every tap is synchronous. */
  connect(connection: Connection, done: (verdict: Verdict | undefined) => void): void {
    if (this.#connect.taps.length === 0) return done(undefined);
    this.#connect.callAsync(connection, (error, verdict) => done(error ? FAILED : (verdict ?? connection.allowance)));
  }

  /** Calls back in the same turn where every tap is synchronous. */
  request(flow: Flow, done: (verdict: Verdict | undefined) => void): void {
    if (this.#request.taps.length === 0) return done(undefined);
    this.#request.callAsync(flow, (error, verdict) => done(error ? FAILED : (verdict ?? flow.allowance)));
  }

  /** Calls back in the same turn where every tap is synchronous. */
  response(flow: Flow, done: () => void): void {
    if (this.#response.taps.length === 0) return done();
    this.#response.callAsync(flow, () => done());
  }

  /** Runs the stages in order; calls back when the last sink has taken the record. */
  complete(flow: CompletedFlow, done: () => void): void {
    const sink = (): void => {
      flow.freeze();
      if (this.#sink.taps.length === 0) done();
      else this.#sink.callAsync(flow, () => done());
    };
    const redact = (): void => {
      if (this.#redact.taps.length === 0) sink();
      else this.#redact.callAsync(flow, sink);
    };
    if (this.#annotate.taps.length === 0) redact();
    else this.#annotate.callAsync(flow, redact);
  }

  async close(): Promise<void> {
    await this.#close.promise();
  }
}

/** Taps are guarded, and the hooks do not fail by themselves; if one ever does, it is a denial too. */
const FAILED: Verdict = { action: 'deny', code: 'decision_failed', rule: 'a hook failed', by: 'core' };

function raw(hook: AnyHook, plugin: string): AnyHook {
  return {
    taps: hook.taps,
    tap: (name, fn) => hook.tap(tapName(plugin, name), fn),
    tapPromise: (name, fn) => hook.tapPromise(tapName(plugin, name), fn),
  };
}

/** A tap whose failure is a denial, and whose allowance is noted without ending the decision. */
function decider(hook: AnyHook, plugin: string, hookName: 'onConnect' | 'onRequest'): AnyHook {
  const failed = (reason: string): Verdict => ({ action: 'deny', code: 'decision_failed', rule: `${plugin} failed: ${reason}`, by: plugin });
  const settle = (subject: Connection | Flow, decision: unknown): Verdict | undefined => {
    if (decision === undefined || decision === null) return undefined;
    const fault = decisionFault(decision, hookName);
    if (fault !== null) {
      disown(decision);
      return failed(fault);
    }
    const verdict: Verdict = { ...(decision as Decision), by: plugin };
    if (verdict.action !== 'allow') return verdict;
    subject.allowance = verdict;
    return undefined;
  };
  return {
    taps: hook.taps,
    tap: (name, fn) =>
      hook.tap(tapName(plugin, name), (subject: Subject) => {
        try {
          subject.tappedBy = plugin;
          return settle(subject, fn(subject as never));
        } catch (error) {
          return failed(messageOf(error));
        }
      }),
    tapPromise: (name, fn) =>
      hook.tapPromise(tapName(plugin, name), async (subject: Subject) => {
        try {
          subject.tappedBy = plugin;
          return settle(subject, await fn(subject as never));
        } catch (error) {
          return failed(messageOf(error));
        }
      }),
  };
}

/** A tap whose failure is reported and changes nothing. */
function observer(hook: AnyHook, plugin: string, hookName: string, report: PluginFailure): AnyHook {
  return {
    taps: hook.taps,
    tap: (name, fn) =>
      hook.tap(tapName(plugin, name), (subject: Subject | undefined) => {
        try {
          if (subject) subject.tappedBy = plugin;
          const result = fn(subject as never);
          // Not waited for: who wants that has tapPromise.
          if (result instanceof Promise) result.catch((error: unknown) => report(plugin, hookName, error));
        } catch (error) {
          report(plugin, hookName, error);
        }
      }),
    tapPromise: (name, fn) =>
      hook.tapPromise(tapName(plugin, name), async (subject: Subject | undefined) => {
        try {
          if (subject) subject.tappedBy = plugin;
          await fn(subject as never);
        } catch (error) {
          report(plugin, hookName, error);
        }
      }),
  };
}

/** A promise that nobody waits for must not end the process when it rejects. */
function disown(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {});
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function tapName(plugin: string, name: string): string {
  return name === plugin ? plugin : `${plugin}/${name}`;
}

function knownNamesOnly<T extends object>(plugin: string, prefix: string, hooks: T): T {
  return new Proxy(hooks, {
    get(target, name, receiver) {
      if (typeof name === 'string' && !(name in target)) {
        throw new MentuError('unknown_hook', { plugin, hook: prefix + name, known: Object.keys(target).map((key) => prefix + key).join(', ') });
      }
      return Reflect.get(target, name, receiver);
    },
  });
}

