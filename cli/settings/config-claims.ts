/**
 * What `mentu.yaml` claims for itself. A guest or a cloned repository may have written it, and the profile
 * and the preset that it names. Untrusted, they may choose among what this package ships, set limits and
 * narrow the lists; what reaches further is a claim, and needs the user's trust.
 */
import { realpathSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import type { ErrorPlace } from '../../core/index.ts';
import { kindOf } from '../plugins/plugin-file.ts';
import type { LoadedConfig } from './config.ts';
import type { ConfigFile } from './config-schema.ts';
import { extendPlugins, isShipped, type PluginReference } from './plugin-list.ts';
import { loadPreset, type Preset } from './preset.ts';
import type { Profile } from './profile-schema.ts';
import { loadProfile, type LoadedProfile } from './profile.ts';
import type { SourceDocument } from './source-document.ts';
import type { SourceFiles } from './source-file.ts';
import { tlsFiles } from './tls-part.ts';

export interface Claim {
  /** A clause: `sets interceptor.hosts`. */
  readonly text: string;
  readonly place: ErrorPlace;
}

/** All that `mentu.yaml` brings with it. */
export interface ConfigReach {
  readonly claims: readonly Claim[];
  readonly profile: LoadedProfile | null;
  readonly presets: readonly Preset[];
  /** Every plugin that the config, its profile's preset or its preset lists. */
  readonly plugins: readonly PluginReference[];
  /** CA files, and what the guest gets of the host (mount sources, root, kernel), absolute. */
  readonly caFiles: readonly string[];
  /** Files of client certificates and their CAs, absolute. */
  readonly tlsFiles: readonly string[];
  readonly mountSources: readonly string[];
}

/** `onHost`: the command runs on the host itself, where a command or a variable is a claim as well. */
export function reachOf(config: LoadedConfig, files: SourceFiles, onHost: boolean): ConfigReach {
  const { document, value } = config;
  const folder = dirname(document.path);
  const profile = value.profile === undefined ? null : loadProfile(files, resolve(folder, value.profile), document.placeOf(['profile']));
  const presets: Preset[] = [];
  if (value.preset !== undefined) presets.push(loadPreset(files, value.preset, folder, document.placeOf(['preset'])));
  const profilePreset = profile?.value.interceptor?.preset;
  if (profile && profilePreset !== undefined) {
    presets.push(loadPreset(files, profilePreset, dirname(profile.document.path), profile.document.placeOf(['interceptor', 'preset'])));
  }
  const ownItems = (value.plugins ?? []).filter((item) => typeof item === 'string' || !Object.values(item).includes(false));
  const own = extendPlugins([], document, ownItems, 'mentu.yaml');
  const plugins = [...presets.flatMap((preset) => preset.plugins), ...own];

  const claims: Claim[] = [
    ...jobClaims(value, document, onHost),
    ...(profile ? jobClaims(profile.value, profile.document, onHost) : []),
    ...jobDirClaims(config, folder),
    ...removalClaims(config),
    ...presets.flatMap(presetClaims),
    ...own.flatMap(pluginClaims),
  ];
  const parts: [Profile | ConfigFile, SourceDocument][] = [[value, document], ...(profile ? [[profile.value, profile.document] as [Profile, SourceDocument]] : [])];
  return {
    claims,
    profile,
    presets,
    plugins,
    caFiles: parts.flatMap(([part, at]) => (part.interceptor?.trustedCAs ?? []).map((file) => resolve(dirname(at.path), file))),
    tlsFiles: parts.flatMap(([part, at]) => tlsFiles(part.interceptor ?? {}, dirname(at.path))),
    mountSources: parts.flatMap(([part, at]) =>
      [...(part.mounts ?? []).map((mount) => mount.source), part.rootfs, part.kernel].filter((source) => source !== undefined).map((source) => resolve(dirname(at.path), source)),
    ),
  };
}

function jobClaims(value: Profile | ConfigFile, document: SourceDocument, onHost: boolean): Claim[] {
  const claims: Claim[] = [];
  const isSet = (part: unknown) => part !== undefined && (typeof part !== 'object' || Object.keys(part as object).length > 0);
  if (isSet(value.mounts)) claims.push({ text: 'mounts parts of the host', place: document.placeOfKey(['mounts']) });
  if (isSet(value.ports)) claims.push({ text: 'opens ports of the host', place: document.placeOfKey(['ports']) });
  for (const key of ['rootfs', 'kernel'] as const) {
    if (isSet(value[key])) claims.push({ text: `sets the guest's ${key}`, place: document.placeOfKey([key]) });
  }
  for (const key of ['hosts', 'trustedCAs', 'clientCertificates', 'clientAuth', 'passthrough', 'onPinned', 'dnsServers', 'upstreamProxy'] as const) {
    if (isSet(value.interceptor?.[key])) claims.push({ text: `sets interceptor.${key}`, place: document.placeOfKey(['interceptor', key]) });
  }
  // Whoever can read the job's folder could read what the record leaves out.
  for (const key of ['keyLog', 'pcap'] as const) {
    if (value.interceptor?.[key]) claims.push({ text: `sets interceptor.${key}`, place: document.placeOfKey(['interceptor', key]) });
  }
  for (const key of onHost ? (['command', 'args', 'env'] as const) : []) {
    if (isSet(value[key])) claims.push({ text: `sets ${key} of what runs on the host itself`, place: document.placeOfKey([key]) });
  }
  return claims;
}

function jobDirClaims({ value, document }: LoadedConfig, folder: string): Claim[] {
  if (value.jobDir === undefined) return [];
  const home = realpathSync(folder);
  const target = realParent(resolve(folder, value.jobDir));
  return target.startsWith(home + sep) || target === home ? [] : [{ text: 'puts the record outside the working directory', place: document.placeOf(['jobDir']) }];
}

/** The real path of the nearest folder above that is there, links followed. */
function realParent(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      return realpathSync(at);
    } catch (error) {
      if (at === dirname(at)) throw error;
    }
  }
}

function removalClaims({ value, document }: LoadedConfig): Claim[] {
  return (value.plugins ?? []).flatMap((item, index) =>
    typeof item === 'string' ? [] : Object.entries(item).filter(([, options]) => options === false).map(([key]) => ({ text: `leaves out the plugin ${key}`, place: document.placeOfKey(['plugins', index, key]) })),
  );
}

function presetClaims(preset: Preset): Claim[] {
  const claims = preset.plugins.filter((reference) => !isShipped(reference)).flatMap(pluginClaims);
  const policy = preset.plugins.find((plugin) => plugin.key === 'domain-policy');
  if (policy === undefined || policy.options['mode'] === 'audit') {
    claims.push({ text: `names a preset, ${preset.name}, that enforces no lists`, place: { file: preset.name } });
  }
  return claims;
}

function pluginClaims(reference: PluginReference): Claim[] {
  if (kindOf(reference.key) !== 'built-in') return [{ text: `loads the plugin ${reference.key}`, place: reference.place }];
  if (Object.keys(reference.options).length > 0) return [{ text: `sets options of the plugin ${reference.key}`, place: reference.place }];
  return [];
}
