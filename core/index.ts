/** The public face of the core: all that a plugin, an engine or the CLI may import. */
export { defineCapturePlugin } from './plugin.ts';
export type { CapturePlugin, DomainList, JobView, PluginContext } from './plugin.ts';
export { FLOW_COMPLETE_STAGES, HOOK_NAMES } from './hooks.ts';
export type { Decision, PluginHooks, Tappable } from './hooks.ts';
export type { ClientHello, CompletedFlow, Connection, Destination, Endpoint, Flow, FlowRequest, FlowResponse, Side } from './flow.ts';
export { Headers } from './headers.ts';
export { RECORD_VERSION } from './record.ts';
export type * from './record.ts';
export { ERRORS, MentuError, statusOf } from './errors.ts';
export type { ErrorCode, ErrorEntry, ErrorParams, ErrorPlace } from './errors.ts';
export { canonicalHost, hostInUrl, isAddress } from './names/host.ts';
export { parsePort, splitAuthority } from './names/authority.ts';
export type { Authority } from './names/authority.ts';
export { HostPatternList, parseHostPattern } from './names/pattern.ts';
export type { HostPattern } from './names/pattern.ts';
