/** Foreign servers of raw protocols, each a process of its own on loopback, with what it needs in a folder of its own. */
import { spawn, spawnSync, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../stage/free-ports.ts';

const START_LIMIT_MS = 20_000;
const SMTP_SERVER = join(import.meta.dirname, 'smtp_server.py');

export class Daemon {
  readonly folder: string;
  readonly port: number;
  readonly #process: ChildProcess;
  #said = '';

  private constructor(folder: string, port: number, command: readonly string[]) {
    this.folder = folder;
    this.port = port;
    this.#process = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) stream.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** @param prepare makes what the daemon needs, and gives its command. */
  static async start(prepare: (folder: string, port: number) => readonly string[]): Promise<Daemon> {
    const folder = mkdtempSync(join(tmpdir(), 'daemon-'));
    const port = await freePort();
    const daemon = new Daemon(folder, port, prepare(folder, port));
    for (const start = Date.now(); !(await answers(port)); await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (Date.now() - start < START_LIMIT_MS && daemon.#process.exitCode === null) continue;
      await daemon.close();
      throw new Error(`it does not listen: ${daemon.#said}`);
    }
    return daemon;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGINT');
      const late = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
      await once(this.#process, 'exit');
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** OpenSSH, which lets in whoever has `keyFile`. */
export function sshDaemon(keyFile: string): Promise<Daemon> {
  mkdirSync(dirname(keyFile), { recursive: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
  return Daemon.start((folder, port) => {
    if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host')]);
    cpSync(`${keyFile}.pub`, join(folder, 'authorized'));
    const lines = [`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${folder}/host`, `AuthorizedKeysFile ${folder}/authorized`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin yes', 'PidFile none'];
    writeFileSync(join(folder, 'config'), lines.join('\n') + '\n');
    return ['/usr/sbin/sshd', '-D', '-e', '-f', join(folder, 'config')];
  });
}

/** PostgreSQL with TLS for who asks; it does not run as root. @param certificates a folder with leaf.pem and leaf.key. @param password asked for in clear; where it is left out, whoever comes is believed. */
export function postgresDaemon(certificates: string, password?: string): Promise<Daemon> {
  return Daemon.start((folder, port) => {
    const bin = dirname(globSync('/usr/lib/postgresql/*/bin/postgres').sort().at(-1)!);
    const user = userInfo().uid === 0 ? 'postgres' : null;
    const drop = user ? ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'] : [];
    const files = ['leaf.pem', 'leaf.key', 'password'];
    writeFileSync(join(folder, 'password'), password ?? '-');
    for (const file of ['leaf.pem', 'leaf.key']) cpSync(join(certificates, file), join(folder, file));
    chmodSync(join(folder, 'leaf.key'), 0o600);
    if (user) {
      const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' })));
      for (const file of ['', ...files]) chownSync(join(folder, file), uid!, gid!);
    }
    const [program, ...args] = [...drop, join(bin, 'initdb'), '-D', join(folder, 'data'), '-U', 'postgres', '-A', password === undefined ? 'trust' : 'password', '--pwfile=password', '-N', '--no-locale', '-E', 'UTF8'];
    const { status, stderr } = spawnSync(program!, args, { cwd: folder, encoding: 'utf8', timeout: START_LIMIT_MS });
    if (status !== 0) throw new Error(stderr);
    const ssl = ['-c', 'ssl=on', '-c', `ssl_cert_file=${folder}/leaf.pem`, '-c', `ssl_key_file=${folder}/leaf.key`];
    return [...drop, join(bin, 'postgres'), '-D', join(folder, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off', ...ssl];
  });
}

/** @param settings such as `--requirepass`. */
export function redisDaemon(...settings: string[]): Promise<Daemon> {
  return Daemon.start((folder, port) => ['/usr/bin/redis-server', ...settings, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]);
}

/** aiosmtpd with STARTTLS. @param certificates a folder with leaf.pem and leaf.key. */
export function smtpDaemon(certificates: string): Promise<Daemon> {
  return Daemon.start((_folder, port) => ['/usr/bin/python3', SMTP_SERVER, String(port), join(certificates, 'leaf.pem'), join(certificates, 'leaf.key')]);
}

/** `git daemon` with one repository, `one.git`, of one commit. */
export function gitDaemon(): Promise<Daemon> {
  return Daemon.start((folder, port) => {
    const git = (...args: string[]): void => void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: folder, stdio: 'ignore' });
    git('init', '-q', '-b', 'main', 'one');
    git('-C', 'one', 'commit', '-q', '--allow-empty', '-m', 'the first');
    git('clone', '-q', '--bare', 'one', 'one.git');
    return ['git', 'daemon', '--reuseaddr', '--export-all', `--base-path=${folder}`, '--listen=127.0.0.1', `--port=${port}`, folder];
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
