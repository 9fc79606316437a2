/** Settled settings as rows to show: name, value, origin. Passwords are left out. */
import { durationText } from './duration.ts';
import { withoutPassword } from './job-part.ts';
import type { JobSettings } from './job-settings.ts';
import { forwardText } from './port-forwards.ts';

export interface SettingRow {
  readonly name: string;
  readonly value: unknown;
  /** The value on one line. */
  readonly text: string;
  readonly origin: string;
}

export function settingRows(settings: JobSettings): SettingRow[] {
  const { provenance, record } = settings;
  const rows: SettingRow[] = [];
  const add = (name: string, value: unknown, text = typeof value === 'string' ? value : JSON.stringify(value), key = name) =>
    rows.push({ name, value, text, origin: provenance[key] ?? 'default' });

  add('preset', settings.preset.name);
  add('command', settings.command === null ? null : [settings.command, ...settings.args], settings.command === null ? '(none)' : [settings.command, ...settings.args].join(' '));
  for (const [name, value] of Object.entries(settings.env)) add(`env.${name}`, value);
  settings.mounts.forEach((mount, index) => add(`mounts[${index}]`, mount, `${mount.source} on ${mount.destination}${mount.readOnly ? ', read-only' : ''}`));
  add('engine', settings.engine, settings.engine ?? '(for this machine)');
  add('networkMode', settings.networkMode);
  add('cpus', settings.limits.cpus, settings.limits.cpus === null ? '(all)' : String(settings.limits.cpus));
  add('memoryMiB', settings.limits.memoryMiB, settings.limits.memoryMiB === null ? '(no limit)' : String(settings.limits.memoryMiB));
  add('timeout', settings.timeout === null ? null : settings.timeout / 1000, settings.timeout === null ? '(none)' : durationText(settings.timeout));
  add('restartPolicy', settings.restartPolicy.text);
  settings.ports.forEach((port, index) => add(`ports[${index}]`, forwardText(port)));
  add('rootfs', settings.rootfs, settings.rootfs ?? "(the host's /usr)");
  add('kernel', settings.kernel, settings.kernel ?? "(the engine's own)");
  add('jobDir', settings.jobDir, settings.jobDir ?? '.mentu/jobs/<job-id>');
  settings.lists.forEach((list, index) => {
    const { allowed, denied } = list;
    add(`lists[${index}]`, { allowed, denied }, `allowed: ${allowed === null ? 'all' : allowed.join(', ') || 'none'}; denied: ${denied.join(', ') || 'none'}`);
  });
  for (const [name, target] of Object.entries(settings.hosts)) add(`hosts.${name}`, target);
  settings.trustedCAs.forEach((ca, index) => add(`trustedCAs[${index}]`, ca.file));
  settings.clientCertificates.forEach(({ host, identity }, index) => {
    const subject = identity.subject.replaceAll('\n', ', ');
    add(`clientCertificates[${index}]`, { host, subject, sha256: identity.sha256 }, `${host}: ${subject}`);
  });
  settings.clientAuth.forEach(({ host, ca, require }, index) => add(`clientAuth[${index}]`, { host, ca: ca && ca.file, require }, `${host}: ${require ? 'required' : 'asked for'}, ${ca ? `of ${ca.file}` : 'of any CA'}`));
  settings.passthrough.forEach(({ host, allowEch }, index) => add(`passthrough[${index}]`, allowEch ? { host, allowEch } : host, allowEch ? `${host}, with ECH` : host));
  add('onPinned', settings.onPinned);
  add('dnsServers', settings.dnsServers, settings.dnsServers?.join(', ') ?? '(those of the host)');
  add('upstreamProxy', settings.upstreamProxy && withoutPassword(settings.upstreamProxy), settings.upstreamProxy === null ? '(none)' : withoutPassword(settings.upstreamProxy));
  add('keyLog', settings.keys.keyLog);
  add('pcap', settings.keys.pcap);
  add('record.bodies', record.bodies);
  add('record.bodyLimit', record.bodyLimit);
  add('record.streamLimit', record.streamLimit);
  add('record.bodyQuota', record.bodyQuota);
  for (const plugin of settings.plugins) {
    const options = Object.keys(plugin.options).length === 0 ? '' : JSON.stringify(plugin.options);
    add(`plugins.${plugin.key}`, plugin.options, options);
  }
  return rows;
}
