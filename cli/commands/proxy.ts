import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, isIP, type Server } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { CertificateAuthority, type Capture } from '../../core/capture.ts';
import { addressOnlySocket } from '../../core/quic/udp-port.ts';
import { MentuError, hostInUrl, splitAuthority } from '../../core/index.ts';
import { defineCommand } from '../command.ts';
import { badFlag } from '../flags.ts';
import { CapturedJob } from '../job/captured-job.ts';
import { DefectTrap } from '../job/defect-trap.ts';
import { createJobFolder, newJobId, writePrivately } from '../job/job-folder.ts';
import { KeptAuthority } from '../job/kept-authority.ts';
import { StatusLine } from '../job/status-line.ts';
import { statusText, summaryText, type JobSummary } from '../job/job-summary.ts';
import { note, safeJson } from '../output.ts';
import { PluginModules } from '../plugins/modules.ts';
import { settleJob, type JobSettings } from '../settings/job-settings.ts';
import { captureFlags, settingFlagsOf } from '../settings/setting-flags.ts';
import { readSources } from '../settings/setting-sources.ts';

/** Connections that wait to be accepted; the kernel's own limit (somaxconn) applies beneath. */
const BACKLOG = 4096;

const DEFAULT_LISTEN = '127.0.0.1:8080';

export default defineCommand({
  description: 'Captures what comes through an explicit proxy: HTTP (CONNECT and absolute-form) and SOCKS5 on one port. Ctrl-C ends it with the summary.',
  flags: {
    ...captureFlags,
    listen: { type: 'string', value: 'ADDRESS:PORT', description: `where to listen (default ${DEFAULT_LISTEN}); port 0 takes a free one` },
    'http3-listen': { type: 'string', value: 'ADDRESS:PORT', description: 'take HTTP/3 there as well (UDP), for the name that a client asks for' },
    'ca-out': { type: 'string', value: 'FILE', description: 'write the CA certificate there (PEM)' },
    'ca-dir': { type: 'string', value: 'DIR', description: 'keep one CA there across starts; its key is readable by you alone' },
    json: { type: 'boolean', description: 'print the summary as one line of JSON on stderr' },
  },
  async run({ flags }) {
    const cwd = process.cwd();
    const listen = listenAddress('--listen', flags.listen ?? DEFAULT_LISTEN);
    const http3 = flags['http3-listen'] === undefined ? null : listenAddress('--http3-listen', flags['http3-listen']);
    if (http3 !== null && isIP(http3.host) === 0) throw badFlag('--http3-listen', `takes an IP address and a port, such as 127.0.0.1:4433, and "${flags['http3-listen']}" was given`);
    const modules = new PluginModules();
    const defect = new DefectTrap();
    try {
      const settings = settleJob(readSources({ ...settingFlagsOf(flags), interceptor: true }, { cwd, modules }));
      if (settings.keys.pcap) throw new MentuError('pcap_without_guest', { source: settings.provenance['pcap'] });
      const id = newJobId();
      const authority = flags['ca-dir'] === undefined ? CertificateAuthority.create(id) : new KeptAuthority(resolve(cwd, flags['ca-dir'])).open();
      const folder = createJobFolder(cwd, settings.jobDir, id);
      if (flags['ca-out'] !== undefined) writeFileSync(resolve(cwd, flags['ca-out']), authority.certificate, { mode: 0o644 });
      const job = await CapturedJob.open(settings, folder, authority, modules);
      const started = performance.now();
      const startedAt = new Date().toISOString();
      const serve = async (server: Server): Promise<void> => {
        const { address, port } = server.address() as { address: string; port: number };
        job.capture.dialler.ownEndpoints.add(address, port);
        await job.capture.start();
        job.capture.captureExplicit(server);
        if (http3 !== null) await listenHttp3(job.capture, http3);
        note(`mentu: proxy on http://${hostInUrl(address)}:${port} and socks5h://${hostInUrl(address)}:${port}, record in ${relative(cwd, folder.path) || '.'}`);
        const status = StatusLine.open(() => statusText(job.counter.traffic, (performance.now() - started) / 1000), false);
        await Promise.race([untilStopped(), defect.caught]).finally(() => status?.close());
      };
      try {
        const server = await listening(listen);
        await serve(server).finally(() => server.close());
      } finally {
        await job.close();
      }
      const summary = summaryOf(settings, folder, startedAt, performance.now() - started, job);
      writePrivately(join(folder.path, 'summary.json'), JSON.stringify(summary, null, 2) + '\n');
      if (flags.json) note(safeJson(summary));
      else process.stderr.write(summaryText(summary));
      return 0;
    } finally {
      defect.close();
      modules.close();
    }
  },
});

function summaryOf(settings: JobSettings, folder: { id: string; path: string }, startedAt: string, duration: number, job: CapturedJob): JobSummary {
  return {
    job_id: folder.id,
    directory: folder.path,
    preset: settings.preset.name,
    engine: null,
    boundary: null,
    engine_facts: {},
    command: [],
    exit_code: null,
    timed_out: false,
    restarts: 0,
    oom: false,
    limits_not_enforced: [],
    started_at: startedAt,
    duration_ms: Math.round(duration),
    boot_ms: {},
    dropped_packets: null,
    ...job.files.named(settings.cwd),
    ...job.counter.traffic,
  };
}

function listenAddress(flag: string, text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  const host = splitAuthority(`${text.slice(0, Math.max(colon, 0))}:1`)?.host;
  if (colon === -1 || host === undefined || !/^\d{1,5}$/.test(text.slice(colon + 1)) || port > 65_535) throw badFlag(flag, `takes ADDRESS:PORT, and "${text}" was given`);
  return { host, port };
}

async function listening({ host, port }: { host: string; port: number }): Promise<Server> {
  const server = createServer();
  server.listen({ port, host, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new MentuError('listen_failed', { address: `${hostInUrl(host)}:${port}`, flag: '--listen', reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  return server;
}

async function listenHttp3(capture: Capture, { host, port }: { host: string; port: number }): Promise<void> {
  const socket = addressOnlySocket(host);
  try {
    const ready = once(socket, 'listening');
    socket.bind(port, host);
    await ready;
  } catch (cause) {
    socket.close();
    throw new MentuError('listen_failed', { address: `${hostInUrl(host)}:${port}`, flag: '--http3-listen', reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  const bound = socket.address();
  const reason = await capture.captureHttp3(socket);
  if (reason !== null) {
    socket.close();
    throw new MentuError('http3_unavailable', { reason });
  }
  note(`mentu: HTTP/3 on ${hostInUrl(bound.address)}:${bound.port}`);
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
