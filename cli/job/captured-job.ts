/** A capture as `exec` and `proxy` run it: the core with the plugins of the preset, counted for the summary. */
import { getCACertificates } from 'node:tls';
import { Capture, CertificateAuthority, Dialler, UpstreamProxy, type KeyLog } from '../../core/capture.ts';
import { MentuError, STEP_ANNOTATION, pluginContext, type StepView } from '../../core/index.ts';
import { note, visible } from '../output.ts';
import { importPlugins, setUpPlugins } from '../plugins/loader.ts';
import type { PluginModules } from '../plugins/modules.ts';
import type { JobSettings } from '../settings/job-settings.ts';
import { jobView } from '../settings/job-view.ts';
import type { ClientCertificateSetting } from '../settings/tls-part.ts';
import { JobFiles } from './job-files.ts';
import type { JobFolder } from './job-folder.ts';
import { TrafficCounter } from './job-summary.ts';

/** Failures of one plugin at one hook that are told; the rest are counted. */
const TOLD_FAILURES = 3;

export class CapturedJob {
  readonly capture: Capture;
  readonly counter = new TrafficCounter();
  readonly files: JobFiles;
  readonly #failures = new Map<string, number>();

  private constructor(settings: JobSettings, folder: JobFolder, authority: CertificateAuthority) {
    const warn = (error: MentuError): void => note(`mentu: ${error}`);
    this.files = new JobFiles(settings, folder, warn);
    const { keyLog } = this.files;
    this.capture = new Capture({
      job: { id: folder.id, directory: folder.path },
      authority,
      dialler: dialler(settings, keyLog),
      keyLog,
      trustedCAs: settings.trustedCAs.map(({ pem }) => pem),
      clientCertificates: settings.clientCertificates,
      clientAuth: settings.clientAuth.map(({ host, ca, require }) => ({ host, ca: ca && ca.pem, require })),
      bodies: { keep: settings.record.bodies, limit: settings.record.bodyLimit, streamLimit: settings.record.streamLimit, quota: settings.record.bodyQuota },
      onPluginFailure: (plugin, hook, error) => this.#tellFailure(plugin, hook, error),
      warn,
    });
  }

  /** Loads the plugins and lets them tap; nothing listens yet. Throws the first mistake with its place. */
  static async open(settings: JobSettings, folder: JobFolder, authority: CertificateAuthority, modules: PluginModules): Promise<CapturedJob> {
    const job = new CapturedJob(settings, folder, authority);
    const { hooks } = job.capture;
    const host = {
      hooks,
      job: jobView(settings, folder.id, folder.path),
      warn: (plugin: string, message: string) => note(`mentu: ${plugin}: ${visible(message)}`),
    };
    for (const certificate of settings.clientCertificates) noteValidity(certificate);
    if (settings.step !== null) noteStep(pluginContext(STEP_ANNOTATION, {}, host), settings.step);
    if (settings.networkMode === 'none') denyAll(pluginContext('network-mode', {}, host));
    try {
      await setUpPlugins(await importPlugins(settings.plugins, modules, settings.cwd), host);
    } catch (error) {
      await job.files.close();
      throw error;
    }
    job.counter.tap(pluginContext('summary', {}, host));
    return job;
  }

  /** Ends the capture and says what of its plugins' failures was not told. */
  async close(): Promise<void> {
    await this.capture.close().finally(() => this.files.close());
    for (const [where, times] of this.#failures) if (times > TOLD_FAILURES) note(`mentu: ${where} failed ${times} times in all`);
  }

  #tellFailure(plugin: string, hook: string, error: unknown): void {
    const where = `${plugin} (${hook})`;
    const times = (this.#failures.get(where) ?? 0) + 1;
    this.#failures.set(where, times);
    if (times <= TOLD_FAILURES) note(`mentu: ${where} failed, and the traffic goes on: ${visible(error instanceof Error ? error.message : String(error))}`);
  }
}

/** `networkMode: none` with the interceptor: everything is recorded and nothing gets out. */
function denyAll({ hooks }: ReturnType<typeof pluginContext>): void {
  hooks.onConnect.tap('network-mode', () => ({ action: 'deny', rule: 'networkMode: none' }));
}

/** Every record of a recipe's flow says whose it is. */
function noteStep({ hooks, annotate }: ReturnType<typeof pluginContext>, { name, recipe, run }: StepView): void {
  hooks.onFlowComplete.annotate.tap(STEP_ANNOTATION, (flow) => annotate(flow, { recipe, run, step: name }));
}

/** A server may take it all the same. */
function noteValidity({ host, identity: { validFrom, validTo } }: ClientCertificateSetting): void {
  const now = Date.now();
  const when = validTo.getTime() < now ? `since ${validTo.toISOString()}` : validFrom.getTime() > now ? `before ${validFrom.toISOString()}` : null;
  if (when !== null) note(`mentu: ${new MentuError('client_certificate_expired', { host, when })}`);
}

function dialler(settings: JobSettings, keyLog: KeyLog | null): Dialler {
  const { hosts, dnsServers, upstreamProxy, trustedCAs } = settings;
  if (upstreamProxy === null) return new Dialler({ hosts, dnsServers });
  const trusted = [...getCACertificates('default'), ...getCACertificates('system'), ...trustedCAs.map(({ pem }) => pem)];
  return new Dialler({ hosts, dnsServers, proxy: new UpstreamProxy(upstreamProxy, trusted, keyLog) });
}
