/** An HTTPS origin whose certificate a CA of the test has signed, as a guest's connections meet it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from 'dns-packet';
import type { Guest } from '../../plugins/engines/engine.ts';
import type { TestedEngine } from './engines.ts';
import { NODE_MOUNT, shell } from './job.ts';
import type { JobOptions, JobResult } from './job.ts';

export const NAME = 'api.demo.test';
export const ORIGIN = `https://${NAME}/`;
export const REVISION = '0123456789abcdef0123456789abcdef01234567';
export const ANSWER = 'answer of the origin';

export class Origin {
  readonly folder = mkdtempSync(join(tmpdir(), 'trust-test-'));
  /** PEM of the CA. */
  readonly authority: string;
  readonly #server: Server;

  constructor() {
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
    const read = (name: string): string => readFileSync(join(this.folder, name), 'utf8');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '1', '-subj', '/CN=Mentu  job Authority/O=Test é', '-utf8');
    openssl('req', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${NAME}`);
    writeFileSync(join(this.folder, 'san'), `subjectAltName=DNS:${NAME}\n`);
    openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'leaf.pem', '-days', '1', '-extfile', 'san');
    this.authority = read('ca.pem');
    this.#server = createServer({ key: read('leaf.key'), cert: read('leaf.pem') }, (request, response) => {
      response.end(request.url?.includes('/info/refs') ? `${REVISION}\trefs/heads/main\n` : `${ANSWER}\n`);
    });
  }

  /** Runs a script in a guest where every name is at one address, every connection meets the origin, and Node is on the PATH. */
  visit(engine: TestedEngine, script: string, caCertificate: string | null, options: JobOptions = {}): Promise<JobResult> {
    return shell(engine, script, {
      caCertificate,
      env: { PATH: '/opt/node:/usr/local/bin:/usr/bin:/bin' },
      serve: (socket) => this.#server.emit('connection', socket),
      prepared: answerNames,
      ...options,
      mounts: [NODE_MOUNT, ...(options.mounts ?? [])],
    });
  }

  close(): void {
    this.#server.close();
    rmSync(this.folder, { recursive: true });
  }
}

function answerNames(guest: Guest): void {
  for (const socket of guest.listeners?.dns ?? []) {
    socket.removeAllListeners('message');
    socket.on('message', (message, { port, address }) => {
      const { id, questions = [] } = decode(message);
      const answers = questions.flatMap(({ name, type }) => (type === 'A' ? [{ type: 'A' as const, name, data: '198.18.0.1', ttl: 1 }] : []));
      socket.send(encode({ type: 'response', id: id ?? 0, questions, answers }), port, address);
    });
  }
}
