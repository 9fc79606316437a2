/** The settings of a job as plugins see them. */
import type { JobView } from '../../core/index.ts';
import { withoutPassword } from './job-part.ts';
import type { JobSettings } from './job-settings.ts';
import { forwardText } from './port-forwards.ts';
import { shownTls } from './tls-part.ts';

/** The view that plugins get, frozen through and through. `directory` is the job's, absolute. */
export function jobView(settings: JobSettings, id: string, directory: string): JobView {
  const { command, args, env, mounts, engine, networkMode, limits, timeout, rootfs, kernel, hosts, passthrough, record, dnsServers, upstreamProxy } = settings;
  const tls = shownTls(settings);
  return deepFreeze(
    structuredClone({
      id,
      ...(settings.step === null ? {} : { step: settings.step }),
      directory,
      preset: settings.preset.name,
      lists: settings.lists,
      passthrough: tls.passthrough,
      passthroughEch: passthrough.filter(({ allowEch }) => allowEch).map(({ host }) => host),
      onPinned: settings.onPinned,
      profile: {
        command,
        args,
        env,
        mounts,
        engine,
        networkMode,
        ...limits,
        timeout: timeout === null ? null : timeout / 1000,
        restartPolicy: settings.restartPolicy.text,
        ports: settings.ports.map(forwardText),
        rootfs,
        kernel,
        interceptor: {
          preset: settings.preset.name,
          hosts,
          trustedCAs: settings.trustedCAs.map((ca) => ca.file),
          bodyLimit: record.bodyLimit,
          streamLimit: record.streamLimit,
          bodyQuota: record.bodyQuota,
          ...tls,
          ...settings.keys,
          dnsServers,
          upstreamProxy: upstreamProxy === null ? null : withoutPassword(upstreamProxy),
        },
      },
    }),
  );
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
