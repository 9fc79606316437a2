/** Reads all that settles a job: the profile, `mentu.yaml` with the user's trust in it, and the preset. */
import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { mentuHome } from '../../plugins/cir-sink/location.ts';
import type { PortForward } from '../../plugins/engines/engine.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { findPlugin } from '../plugins/plugin-file.ts';
import { CONFIG_NAME, loadConfig, type LoadedConfig } from './config.ts';
import { reachOf, type ConfigReach } from './config-claims.ts';
import { EngineChoice } from './engine-choice.ts';
import { readJobPart, type JobPart } from './job-part.ts';
import { at, extendPlugins, type PluginReference } from './plugin-list.ts';
import { loadPreset, type Preset } from './preset.ts';
import { loadProfile, type LoadedProfile } from './profile.ts';
import type { RestartPolicy } from './restart-policy.ts';
import { SourceFiles } from './source-file.ts';
import { TrustStore, type TrustState } from './trust-store.ts';
import { vouchedFiles, type VouchedFiles } from './vouched-files.ts';

/** What the command line says; an absent flag is undefined. */
export interface SettingFlags {
  readonly profile?: string | undefined;
  readonly preset?: string | undefined;
  readonly engine?: string | undefined;
  readonly networkMode?: 'none' | 'nat' | undefined;
  readonly cpus?: number | undefined;
  readonly memoryMiB?: number | undefined;
  /** Milliseconds; 0 is none. */
  readonly timeout?: number | undefined;
  readonly restartPolicy?: RestartPolicy | undefined;
  readonly ports?: readonly PortForward[] | undefined;
  readonly rootfs?: string | undefined;
  readonly jobDir?: string | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  readonly interceptor?: boolean | undefined;
  /** The command runs on the host, without a guest. */
  readonly host?: boolean | undefined;
  /** The command with its arguments; takes the place of the profile's. */
  readonly commandLine?: readonly string[] | undefined;
}

export const DEFAULT_PRESET = 'standard';

/** Where a setting comes from, strongest first. */
export type SettingSource = 'flag' | 'profile' | 'mentu.yaml' | 'preset' | 'engine switch' | 'default';

export interface ConfigTrust {
  /** `unneeded`: the file claims nothing that needs it. */
  readonly state: TrustState | 'unneeded';
  readonly reach: ConfigReach;
  readonly vouched: VouchedFiles | null;
}

export interface SettingSources {
  readonly flags: SettingFlags;
  readonly cwd: string;
  readonly profile: (LoadedProfile & { readonly part: JobPart; readonly namedBy: SettingSource }) | null;
  readonly config: (LoadedConfig & { readonly part: JobPart }) | null;
  readonly trust: ConfigTrust | null;
  readonly preset: Preset;
  readonly presetNamedBy: SettingSource;
  /** The engine that the user made the default. */
  readonly switchedEngine: string | null;
  /** Those of the preset, then those of `mentu.yaml`. */
  readonly plugins: readonly PluginReference[];
}

export interface ReadOptions {
  readonly cwd: string;
  readonly modules: PluginModules;
  /** `$MENTU_HOME`, where the trust and the default engine are recorded. */
  readonly home?: string;
  /** False: an untrusted `mentu.yaml` is told in `trust` and not refused; for showing, never for running. */
  readonly requireTrust?: boolean;
}

/** Throws a `MentuError` with the place of the first mistake, or `config_untrusted`. */
export function readSources(flags: SettingFlags, options: ReadOptions): SettingSources {
  const { cwd, modules } = options;
  const files = new SourceFiles(cwd);
  const config = loadConfig(files);
  // Before anything else is read: what is vouched for is what `mentu.yaml` reaches, whatever the flags say.
  const trust = config && examineTrust(config, files, flags, options);
  if (trust?.vouched && trust.state === 'trusted') guardPlugins(trust.reach.plugins, trust.vouched, modules, cwd);

  const profile =
    flags.profile !== undefined
      ? { ...loadProfile(files, resolve(cwd, flags.profile)), namedBy: 'flag' as const }
      : trust?.reach.profile
        ? { ...trust.reach.profile, namedBy: 'mentu.yaml' as const }
        : null;
  const { preset, presetNamedBy } = choosePreset(flags, profile, config, files);
  const listed = config?.value.plugins;
  return {
    flags,
    cwd,
    profile: profile && { ...profile, part: readJobPart(profile.value, profile.document, files) },
    config: config && { ...config, part: readJobPart(config.value, config.document, files) },
    trust,
    preset,
    presetNamedBy,
    switchedEngine: new EngineChoice(options.home ?? mentuHome()).read(),
    plugins: config && listed ? extendPlugins(preset.plugins, config.document, listed, CONFIG_NAME) : preset.plugins,
  };
}

/** Reads `mentu.yaml` and what it reaches, for `config trust`; null where there is none. */
export function examineConfig(options: ReadOptions): { config: LoadedConfig; realPath: string; reach: ConfigReach; vouched: VouchedFiles } | null {
  const files = new SourceFiles(options.cwd);
  const config = loadConfig(files);
  if (!config) return null;
  const reach = reachOf(config, files, true);
  return { config, realPath: realpathSync(config.document.path), reach, vouched: vouchedFiles(reach, files, options.modules) };
}

function examineTrust(config: LoadedConfig, files: SourceFiles, flags: SettingFlags, options: ReadOptions): ConfigTrust {
  const reach = reachOf(config, files, flags.host === true);
  const [first] = reach.claims;
  if (first === undefined) return { state: 'unneeded', reach, vouched: null };
  const vouched = vouchedFiles(reach, files, options.modules);
  const state = new TrustStore(options.home ?? mentuHome()).stateOf(realpathSync(config.document.path), vouched.digest);
  if (state !== 'trusted' && options.requireTrust !== false) {
    const others = reach.claims.length - 1;
    throw new MentuError(
      'config_untrusted',
      {
        file: CONFIG_NAME,
        reason: `${first.text} (${at(first.place)})${others === 0 ? '' : ` and claims ${others} more`}`,
        state: state === 'changed' ? 'it, or a file that it reaches, has changed since it was trusted' : 'nobody has vouched for it',
        files: vouched.hashes.size === 1 ? 'it' : `it and the ${vouched.hashes.size - 1} files that it reaches`,
      },
      { place: first.place },
    );
  }
  return { state, reach, vouched };
}

function guardPlugins(plugins: readonly PluginReference[], vouched: VouchedFiles, modules: PluginModules, cwd: string): void {
  for (const reference of plugins) {
    const { kind, file } = findPlugin(reference, modules, cwd);
    if (kind !== 'built-in') modules.guard(file, vouched.hashes);
  }
}

function choosePreset(flags: SettingFlags, profile: LoadedProfile | null, config: LoadedConfig | null, files: SourceFiles): { preset: Preset; presetNamedBy: SettingSource } {
  if (flags.preset !== undefined) return { preset: loadPreset(files, flags.preset, files.cwd), presetNamedBy: 'flag' };
  const ofProfile = profile?.value.interceptor?.preset;
  if (profile && ofProfile !== undefined) {
    return { preset: loadPreset(files, ofProfile, dirname(profile.document.path), profile.document.placeOf(['interceptor', 'preset'])), presetNamedBy: 'profile' };
  }
  if (config?.value.preset !== undefined) {
    return { preset: loadPreset(files, config.value.preset, dirname(config.document.path), config.document.placeOf(['preset'])), presetNamedBy: 'mentu.yaml' };
  }
  return { preset: loadPreset(files, DEFAULT_PRESET, files.cwd), presetNamedBy: 'default' };
}
