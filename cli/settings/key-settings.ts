/** `interceptor.keyLog` and `interceptor.pcap`: what gives the keys to all that passed, encrypted or redacted. */
import { MentuError } from '../../core/index.ts';
import { at } from './plugin-list.ts';
import type { SettingSources } from './setting-sources.ts';

export const KEY_SETTINGS = ['keyLog', 'pcap'] as const;
export type KeySettings = Readonly<Record<(typeof KEY_SETTINGS)[number], boolean>>;

/** Throws `keylog_with_redact` at the place of the setting: a record from which secrets are taken out is for other eyes. */
export function refuseKeysWithRedact(settings: KeySettings, { profile, config, plugins }: Pick<SettingSources, 'profile' | 'config' | 'plugins'>): void {
  const redact = plugins.find(({ key }) => key === 'redact');
  const setting = KEY_SETTINGS.find((key) => settings[key]);
  if (!redact || !setting) return;
  const { document } = [profile, config].find((source) => source?.part[setting] !== undefined)!;
  throw new MentuError('keylog_with_redact', { setting: `interceptor.${setting}`, redact: at(redact.place) }, { place: document.placeOfKey(['interceptor', setting]) });
}
