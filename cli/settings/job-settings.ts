/** The settings of one job, merged from what was read: flags beat the profile, it `mentu.yaml`, it the preset, it the defaults. */
import { basename, dirname, resolve } from 'node:path';
import { MentuError, parseHostPattern, type DomainList, type StepView } from '../../core/index.ts';
import type { GuestLimits, Mount, PortForward } from '../../plugins/engines/engine.ts';
import { refuseKeysWithRedact, type KeySettings } from './key-settings.ts';
import type { TrustedCa } from './ca-file.ts';
import type { JobPart } from './job-part.ts';
import type { PluginReference } from './plugin-list.ts';
import type { Preset, Sourced } from './preset.ts';
import { NO_RESTART, type RestartPolicy } from './restart-policy.ts';
import type { SettingSource, SettingSources } from './setting-sources.ts';
import { patternKey, type ClientAuthSetting, type ClientCertificateSetting, type PassthroughSetting } from './tls-part.ts';

export const DEFAULT_BODY_LIMIT = 1024 ** 2;
export const DEFAULT_STREAM_LIMIT = 4096;
export const DEFAULT_BODY_QUOTA = 10 * 1024 ** 3;

export interface JobSettings {
  /** Null where the job is no step of a recipe. */
  readonly step: StepView | null;
  /** Null where neither the command line nor a file names one; `commandOf` refuses that. */
  readonly command: string | null;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The working directory on the host, to which relative paths of the command line are relative. */
  readonly cwd: string;
  /** Where the command starts on the host; in a guest where a mount shows it. */
  readonly workspace: string;
  readonly mounts: readonly Mount[];
  /** Null: the engine for this machine. */
  readonly engine: string | null;
  readonly networkMode: 'none' | 'nat';
  readonly limits: GuestLimits;
  /** Milliseconds; null: the command may run for ever. */
  readonly timeout: number | null;
  readonly restartPolicy: RestartPolicy;
  readonly ports: readonly PortForward[];
  /** Absolute path of a folder or an archive; null: the host's /usr. */
  readonly rootfs: string | null;
  /** Absolute; null: the engine's own choice. */
  readonly kernel: string | null;
  readonly interceptor: boolean;
  readonly host: boolean;
  /** Absolute; null: `.mentu/jobs/<job-id>` under the working directory. */
  readonly jobDir: string | null;
  /** Of the command line, the profile, `mentu.yaml` and the presets; a host is to be allowed by all and denied by none. */
  readonly lists: readonly DomainList[];
  /** Name or address → `address[:port]`, as `HostPins` reads it. */
  readonly hosts: Readonly<Record<string, string>>;
  readonly trustedCAs: readonly TrustedCa[];
  readonly clientCertificates: readonly ClientCertificateSetting[];
  readonly clientAuth: readonly ClientAuthSetting[];
  readonly passthrough: readonly PassthroughSetting[];
  readonly onPinned: 'fail' | 'passthrough';
  /** Null: those of the host. */
  readonly dnsServers: readonly string[] | null;
  readonly upstreamProxy: string | null;
  /** Whether the secrets of TLS are written to a file, and the guest's packets. */
  readonly keys: KeySettings;
  /** Limits in bytes. */
  readonly record: { readonly bodies: 'whole' | 'none'; readonly bodyLimit: number; readonly streamLimit: number; readonly bodyQuota: number };
  readonly preset: Preset;
  readonly plugins: readonly PluginReference[];
  /** Where each setting comes from, by its dotted name: `networkMode`, `env.PATH`, `lists[0]`. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** Pure: reads nothing but its argument. */
export function settleJob(sources: SettingSources): JobSettings {
  const { flags, profile, config, preset, cwd } = sources;
  const provenance: Record<string, string> = {};
  const named: [SettingSource, JobPart | undefined][] = [
    ['profile', profile?.part],
    ['mentu.yaml', config?.part],
  ];
  const label = (source: SettingSource) => (source === 'profile' && profile ? `profile ${profile.document.file}` : source);

  /** The strongest value that is given. */
  const pick = <Value>(name: string, candidates: readonly (readonly [string, Value | undefined])[], fallback: Value): Value => {
    for (const [source, value] of candidates) {
      if (value === undefined) continue;
      provenance[name] = source;
      return value;
    }
    provenance[name] = 'default';
    return fallback;
  };
  const ofParts = <Value>(read: (part: JobPart) => Value | undefined) => named.map(([source, part]) => [label(source), part && read(part)] as const);
  /** The maps of all parts; for a key that two have, the stronger's. */
  const merged = (name: string, read: (part: JobPart) => Readonly<Record<string, string>>) => {
    const result: Record<string, string> = {};
    for (const [source, part] of named.toReversed()) {
      for (const [key, value] of Object.entries(part ? read(part) : {})) {
        result[key] = value;
        provenance[`${name}.${key}`] = label(source);
      }
    }
    return result;
  };
  /** The lists of the flags and of all parts, one after the other; of two entries with one key, the stronger's. */
  const joined = <Value>(name: string, read: (part: JobPart) => readonly Value[], keyOf: (value: Value) => unknown, given: readonly Value[] = []) => {
    const result = new Map<unknown, Value>();
    for (const [source, values] of [['flag', given] as const, ...named.map(([source, part]) => [label(source), part ? read(part) : []] as const)]) {
      for (const value of values) {
        if (result.has(keyOf(value))) continue;
        provenance[`${name}[${result.size}]`] = source;
        result.set(keyOf(value), value);
      }
    }
    return [...result.values()];
  };

  const commandLine = flags.commandLine?.length ? flags.commandLine : undefined;
  const command = pick('command', [['flag', commandLine?.[0]], ...ofParts((part) => part.command)], null as string | null);
  // Arguments go with their command: another's would be nonsense to it.
  const args = commandLine?.slice(1) ?? named.find(([, part]) => part?.command !== undefined)?.[1]?.args ?? named.find(([, part]) => part?.args)?.[1]?.args ?? [];
  const ofPreset = <Value>(sourced: Sourced<Value> | undefined) => [sourced?.origin ?? '', sourced?.value] as const;
  // A rule is told to the guest, which has no business with the folders of the host.
  const listLabel = (source: SettingSource) => (source === 'profile' && profile ? `profile ${basename(profile.document.file)}` : source);
  const lists = settleLists(sources, listLabel);
  const keys = { keyLog: pick('keyLog', ofParts((part) => part.keyLog), false), pcap: pick('pcap', ofParts((part) => part.pcap), false) };
  refuseKeysWithRedact(keys, sources);
  lists.forEach((list, index) => (provenance[`lists[${index}]`] = list.source));
  provenance['preset'] = label(sources.presetNamedBy);
  provenance['interceptor'] = flags.interceptor ? 'flag' : 'default';
  sources.plugins.forEach((plugin) => (provenance[`plugins.${plugin.key}`] = plugin.origin));

  return {
    step: null,
    command,
    args,
    env: merged('env', (part) => part.env),
    cwd,
    workspace: cwd,
    mounts: joined('mounts', (part) => part.mounts, (mount) => mount.destination),
    engine: pick('engine', [['flag', flags.engine], ...ofParts((part) => part.engine), ['engine switch', sources.switchedEngine ?? undefined]], null as string | null),
    networkMode: pick('networkMode', [['flag', flags.networkMode], ...ofParts((part) => part.networkMode)], 'nat' as const),
    limits: {
      cpus: pick('cpus', [['flag', flags.cpus], ...ofParts((part) => part.cpus)], null as number | null),
      memoryMiB: pick('memoryMiB', [['flag', flags.memoryMiB], ...ofParts((part) => part.memoryMiB)], null as number | null),
    },
    timeout: pick('timeout', [['flag', flags.timeout], ...ofParts((part) => part.timeout)], null as number | null) || null,
    restartPolicy: pick('restartPolicy', [['flag', flags.restartPolicy], ...ofParts((part) => part.restartPolicy)], NO_RESTART),
    ports: joined('ports', (part) => part.ports, (port) => port.host, flags.ports),
    rootfs: pick('rootfs', [['flag', flags.rootfs === undefined ? undefined : resolve(cwd, flags.rootfs)], ...ofParts((part) => part.rootfs)], null as string | null),
    kernel: pick('kernel', ofParts((part) => part.kernel), null as string | null),
    interceptor: flags.interceptor === true,
    host: flags.host === true,
    jobDir: pick(
      'jobDir',
      [
        ['flag', flags.jobDir === undefined ? undefined : resolve(cwd, flags.jobDir)],
        ['mentu.yaml', config?.value.jobDir === undefined ? undefined : resolve(dirname(config.document.path), config.value.jobDir)],
      ],
      null as string | null,
    ),
    lists,
    hosts: merged('hosts', (part) => part.hosts),
    trustedCAs: joined('trustedCAs', (part) => part.trustedCAs, (ca) => ca.file),
    clientCertificates: joined('clientCertificates', (part) => part.clientCertificates, ({ host }) => patternKey(host)),
    clientAuth: joined('clientAuth', (part) => part.clientAuth, ({ host }) => patternKey(host)),
    passthrough: joined('passthrough', (part) => part.passthrough, ({ host }) => patternKey(host)),
    onPinned: pick('onPinned', ofParts((part) => part.onPinned), 'fail' as const),
    dnsServers: pick('dnsServers', ofParts((part) => part.dnsServers), null as readonly string[] | null),
    upstreamProxy: pick('upstreamProxy', ofParts((part) => part.upstreamProxy), null as string | null),
    keys,
    record: {
      bodies: pick('record.bodies', [ofPreset(preset.record.bodies)], 'whole' as const),
      bodyLimit: pick('record.bodyLimit', [...ofParts((part) => part.bodyLimit), ofPreset(preset.record.bodyLimit)], DEFAULT_BODY_LIMIT),
      streamLimit: pick('record.streamLimit', [...ofParts((part) => part.streamLimit), ofPreset(preset.record.streamLimit)], DEFAULT_STREAM_LIMIT),
      bodyQuota: pick('record.bodyQuota', [...ofParts((part) => part.bodyQuota), ofPreset(preset.record.bodyQuota)], DEFAULT_BODY_QUOTA),
    },
    preset,
    plugins: sources.plugins,
    provenance,
  };
}

/** The command and its arguments; throws `command_missing` where nothing names one. */
export function commandOf(settings: JobSettings): { command: string; args: readonly string[] } {
  if (settings.command === null) throw new MentuError('command_missing');
  return { command: settings.command, args: settings.args };
}

/**
 * One list for each source that has any. `--allow` adds to every allow list that the user wrote, and makes
 * one where there is none; a preset's own list is not widened by it.
 */
function settleLists({ flags, profile, config, preset }: SettingSources, label: (source: SettingSource) => string): DomainList[] {
  const allow = flags.allow ?? [];
  const deny = flags.deny ?? [];
  for (const pattern of allow) parseHostPattern(pattern, { file: '--allow' });
  for (const pattern of deny) parseHostPattern(pattern, { file: '--deny' });
  const lists: DomainList[] = [];
  for (const [source, part] of [[label('profile'), profile?.part], ['mentu.yaml', config?.part]] as const) {
    if (!part || (part.allowedDomains === undefined && part.deniedDomains === undefined)) continue;
    lists.push({ source, allowed: part.allowedDomains ? [...part.allowedDomains, ...allow] : null, denied: part.deniedDomains ?? [] });
  }
  const isAdded = lists.some((list) => list.allowed !== null);
  if (deny.length > 0 || (allow.length > 0 && !isAdded)) lists.push({ source: 'command line', allowed: isAdded || allow.length === 0 ? null : allow, denied: deny });
  return [...lists, ...preset.lists];
}
