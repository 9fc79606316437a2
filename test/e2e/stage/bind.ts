/** BIND 9 on loopback: signed zones over UDP, TCP and HTTPS, and a log of what it was asked. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../stage/free-ports.ts';
import { until } from './workspace.ts';

export class Bind {
  /** Of DNS, and of DNS over HTTPS (path `/dns-query`), on 127.0.0.1. */
  readonly port: number;
  readonly httpsPort: number;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, folder: string, port: number, httpsPort: number) {
    this.#child = child;
    this.#folder = folder;
    this.port = port;
    this.httpsPort = httpsPort;
  }

  /** @param zones the text of each, by name. Key and certificate are `leaf.key` and `leaf.pem` of the folder above. */
  static async open(folder: string, zones: Readonly<Record<string, string>>): Promise<Bind> {
    mkdirSync(folder);
    const [port, httpsPort] = [await freePort(), await freePort()];
    for (const [name, text] of Object.entries(zones)) writeFileSync(join(folder, `${name}.zone`), text);
    const zone = (name: string): string => `zone "${name}" { type primary; file "${name}.zone"; dnssec-policy default; inline-signing yes; };`;
    writeFileSync(
      join(folder, 'named.conf'),
      `options {
        directory "${folder}"; managed-keys-directory "${folder}"; pid-file none; session-keyfile none; lock-file none;
        recursion no; dnssec-validation no; notify no; minimal-responses no; allow-transfer { none; }; querylog yes;
        listen-on-v6 { none; }; listen-on port ${port} { 127.0.0.1; }; listen-on port ${httpsPort} tls own http own { 127.0.0.1; };
      };
      tls own { key-file "../leaf.key"; cert-file "../leaf.pem"; };
      http own { endpoints { "/dns-query"; }; };
      controls { };
      logging { channel asked { file "asked.log"; severity info; }; category queries { asked; }; channel rest { stderr; severity info; }; category default { rest; }; };
      ${Object.keys(zones).map(zone).join('\n')}`,
    );
    const child = spawn('/usr/sbin/named', ['-f', '-g', '-c', join(folder, 'named.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr!.on('data', (chunk) => (log += chunk));
    const isReady = (): boolean => {
      if (child.exitCode !== null) throw new Error(log);
      return log.includes('running') && Object.keys(zones).every((name) => log.includes(`zone ${name}/IN (signed): next key event`));
    };
    await until('BIND runs', isReady, 15_000);
    return new Bind(child, folder, port, httpsPort);
  }

  /** `name type` of each question, in order. */
  get asked(): string[] {
    const file = join(this.#folder, 'asked.log');
    if (!existsSync(file)) return [];
    return [...readFileSync(file, 'utf8').matchAll(/query: (\S+) IN (\S+)/g)].map(([, name, type]) => `${name} ${type}`);
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await closed;
  }
}
