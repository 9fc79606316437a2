/** A capture plugin: what a stranger writes, and all that the built-in ones are. */
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import type { CompletedFlow, Connection, Flow } from './flow.ts';
import type { PluginHooks } from './hooks.ts';

/** One allow and deny list with the place it comes from. `allowed: null` allows all, `[]` nothing. */
export interface DomainList {
  readonly source: string;
  readonly allowed: readonly string[] | null;
  readonly denied: readonly string[];
}

/** The step of a recipe that a job is. */
export interface StepView {
  /** Unique in its recipe; any text. */
  readonly name: string;
  readonly recipe: string;
  /** Shared by the steps of one run of the recipe. */
  readonly run: string;
}

/** A read-only view of the job. */
export interface JobView {
  readonly id: string;
  /** Absent where the job is no step of a recipe. */
  readonly step?: StepView | undefined;
  /** Absolute path of the job's directory, where `flows.jsonl` lies; created with mode 0700. */
  readonly directory: string;
  readonly preset: string;
  /** The lists of profile, command line and preset. A name is allowed where every list allows it and none denies it. */
  readonly lists: readonly DomainList[];
  /** Patterns of hosts that are relayed without decryption. */
  readonly passthrough: readonly string[];
  /** Those of `passthrough` that hold where the client sends Encrypted ClientHello as well. */
  readonly passthroughEch?: readonly string[] | undefined;
  /** `fail`, the default: what `passthrough` names is never decrypted. `passthrough`: not any more, once a client has refused our certificate. */
  readonly onPinned?: 'fail' | 'passthrough' | undefined;
  /** The profile as it was read, after defaults. */
  readonly profile: Readonly<Record<string, unknown>>;
}

export interface PluginContext<Options> {
  readonly options: Options;
  readonly job: JobView;
  readonly hooks: PluginHooks;
  /** Merges values into the record's annotations under this plugin's name. Values must survive JSON. */
  annotate(flow: Flow | CompletedFlow | Connection, values: Readonly<Record<string, unknown>>): void;
  /** Tells the user, on stderr, under this plugin's name. */
  warn(message: string): void;
}

type OptionsOf<Schema> = Schema extends JSONSchema ? FromSchema<Schema> : Record<string, never>;

export interface CapturePlugin<Schema = unknown> {
  /** The plugin's identity in YAML, in the record and in messages: lower case, digits and dashes. */
  readonly name: string;
  /** One line for `plugins list`. */
  readonly description?: string;
  /** JSON Schema (2020-12) of the options, an object; unknown options are refused. Absent: the plugin takes none. */
  readonly options?: Schema;
  /** Taps hooks. May be asynchronous; a failure is a failure to load. */
  setup(context: PluginContext<OptionsOf<Schema>>): void | Promise<void>;
}

/** Gives a plugin its types: `options` in `setup` has the type that its schema describes. */
export function defineCapturePlugin<const Schema extends JSONSchema>(plugin: CapturePlugin<Schema> & { options: Schema }): CapturePlugin<Schema>;
export function defineCapturePlugin(plugin: CapturePlugin<undefined>): CapturePlugin<undefined>;
export function defineCapturePlugin(plugin: unknown): unknown {
  return plugin;
}
