/** What `setup` of a plugin is given. */
import type { CompletedFlow, Connection, Flow } from './flow.ts';
import type { CaptureHooks } from './hooks.ts';
import type { JobView, PluginContext } from './plugin.ts';

export interface PluginHost {
  readonly hooks: CaptureHooks;
  readonly job: JobView;
  /** Tells the user, on stderr, under the plugin's name. */
  warn(plugin: string, message: string): void;
}

/** The context of one plugin: its hooks and its annotations are booked under its name. */
export function pluginContext<Options>(name: string, options: Options, host: PluginHost): PluginContext<Options> {
  return {
    options,
    job: host.job,
    hooks: host.hooks.forPlugin(name),
    annotate: (subject, values) => annotate(subject, name, values),
    warn: (message) => host.warn(name, message),
  };
}

function annotate(subject: Flow | CompletedFlow | Connection, name: string, values: Readonly<Record<string, unknown>>): void {
  const annotations = 'record' in subject ? subject.record.annotations : subject.annotations;
  // A copy, so that what the plugin keeps is not frozen with the record; what is no JSON throws here, under the plugin's name.
  annotations[name] = { ...annotations[name], ...(JSON.parse(JSON.stringify(values)) as Record<string, unknown>) };
}
