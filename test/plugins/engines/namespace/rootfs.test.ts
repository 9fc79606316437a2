/**
 * A root in place of the host's: what of it and through it a guest must not reach. Each probe fails in a guest with every
 * guard and succeeds in one that lacks just the guard in question.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Guard } from '../../../../plugins/engines/namespace/guards.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { runJob, within } from '../../../engines/job.ts';
import type { JobOptions, JobResult } from '../../../engines/job.ts';
import { Origin } from '../../../engines/origin.ts';
import { TestFolder } from '../../../stage/image.ts';
import { alpineRoot, debianRoot } from '../../../stage/roots.ts';

const WORDS = 'words of the host';
const folder = new TestFolder();
const origin = new Origin();
let debian = '';
let alpine = '';
before(async () => {
  [debian, alpine] = await Promise.all([debianRoot(), alpineRoot()]);
});
after(() => {
  folder.close();
  origin.close();
});

/** A root that a test may change. */
function copyOf(root: string, name: string): string {
  execFileSync('cp', ['-a', '--reflink=auto', root, folder.at(name)]);
  return folder.at(name);
}

function sh(rootfs: string, script: string, options: JobOptions = {}): Promise<JobResult> {
  return runJob(NAMESPACE, { command: 'sh', args: ['-c', script], rootfs, env: {}, ...options });
}

const listing = (path: string): string => execFileSync('bash', ['-c', 'cd "$1" && find . -printf "%p %y %m %s %l %T@\\n" | sort', 'bash', path], { encoding: 'utf8' });

test("the root's own files never change", async () => {
  const root = copyOf(alpine, 'unchanged');
  const script = 'echo x >/new; echo x >/etc/passwd; rm /bin/ls; mv /bin/cat /bin/dog; chmod 777 /etc; ln /bin/busybox /second; mkdir /usr/bin/d; rm -rf /var; ln -sf x /etc/hostname; touch /root/x';
  const before = listing(root);
  await sh(root, script);
  assert.equal(listing(root), before);
  await sh(root, script, { without: ['rootfs'] });
  assert.notEqual(listing(root), before);
});

test('sockets and FIFOs in the root cannot be reached, also those made later', async () => {
  const root = copyOf(debian, 'sockets');
  const script = 'until [ -e /gate/go ]; do sleep 0.05; done; for s in early late; do curl -sS --max-time 2 --unix-socket /run/$s http://x/; done; timeout 2 sh -c "echo through >/run/fifo"';
  execFileSync('mkfifo', [join(root, 'run/fifo')]);
  const reader = openSync(join(root, 'run/fifo'), constants.O_RDONLY | constants.O_NONBLOCK);
  const attempt = async (without: readonly Guard[]): Promise<[string, string]> => {
    const servers = ['early', 'late'].map((name) => ({ path: join(root, 'run', name), server: createServer((_, response) => response.end(WORDS)) }));
    const open = async ({ path, server: one }: (typeof servers)[number]): Promise<void> => {
      rmSync(path, { force: true });
      one.listen(path);
      await once(one, 'listening');
    };
    await open(servers[0]!);
    const gate = folder.at(`gate-${without.length}`);
    mkdirSync(gate);
    const { stdout } = await sh(root, script, {
      without,
      mounts: [{ source: gate, destination: '/gate', readOnly: false }],
      running: async () => {
        await open(servers[1]!);
        writeFileSync(join(gate, 'go'), '');
      },
    });
    for (const one of servers) one.server.close();
    const told = Buffer.alloc(100);
    return [stdout, told.toString('utf8', 0, readSync(reader, told))];
  };
  assert.deepEqual(await attempt([]), ['', '']);
  assert.deepEqual(await attempt(['rootfs']), [WORDS + WORDS, 'through\n']);
  closeSync(reader);
});

test('masked names and hidden paths in the root are not there', async () => {
  const root = copyOf(alpine, 'masked');
  for (const path of ['srv/.mentu/jobs', 'root/deep', 'opt/hidden']) mkdirSync(join(root, path), { recursive: true });
  for (const path of ['srv/.mentu/jobs/one', 'root/deep/mentu.yaml', 'opt/hidden/file']) writeFileSync(join(root, path), WORDS);
  symlinkSync('/opt/hidden', join(root, '.mentu'));
  const script = 'cat /srv/.mentu/jobs/one /root/deep/mentu.yaml /opt/hidden/file /.mentu/file; rm -rf /srv/.mentu /opt/hidden /root/deep/mentu.yaml; mkdir -p /srv/.mentu; cat /srv/.mentu/jobs/one /opt/hidden/file /root/deep/mentu.yaml';
  const options = { hiddenPaths: [join(root, 'opt/hidden')] };
  assert.equal((await sh(root, script, options)).stdout, '');
  assert.equal((await sh(root, script, { ...options, without: ['masks'] })).stdout, WORDS.repeat(4));
});

test("a mount's guards hold in such a root: read-only, masks, sockets", async () => {
  const share = folder.at('share');
  mkdirSync(join(share, '.mentu'), { recursive: true });
  writeFileSync(join(share, '.mentu/file'), WORDS);
  const server = createServer((_, response) => response.end(WORDS)).listen(join(share, 'socket'));
  await once(server, 'listening');
  const script = 'cat /srv/share/.mentu/file; echo x >/srv/share/new && echo written; curl -sS --max-time 2 --unix-socket /srv/share/socket http://x/; rm -f /srv/share/new';
  const mounts = [{ source: share, destination: '/srv/share', readOnly: true }];
  const said = async (without: readonly Guard[]): Promise<string> => (await sh(debian, script, { mounts, without })).stdout;
  assert.deepEqual(await Promise.all([said([]), said(['masks']), said(['read-only']), said(['sockets'])]), ['', WORDS, 'written\n', WORDS]);
  server.close();
});

test('links of a hostile root lead nowhere: the host is neither read nor written when it is laid', async () => {
  const host = mkdtempSync('/var/tmp/rootfs-test-'); // /tmp is the guest's own
  mkdirSync(join(host, 'ssl/certs'), { recursive: true });
  for (const name of ['hosts', 'passwd', 'ssl/certs/ca-certificates.crt', 'ssl/cert.pem']) writeFileSync(join(host, name), WORDS);
  const before = listing(host);
  const climbing = `../../../../../../../..${host}`;
  const hostile: Readonly<Record<string, readonly [link: string, target: string][]>> = {
    "etc is the host's": [['etc', host]],
    'etc climbs out': [['etc', climbing]],
    "the trust stores are the host's": [['etc/ssl', `${host}/ssl`], ['etc/pki', host]],
    'the bundle is': [['etc/ssl/certs/ca-certificates.crt', `${host}/passwd`], ['etc/ssl/cert.pem', climbing]],
    'what is mounted on': [['proc', '/'], ['dev', host], ['tmp', host], ['run', '/oldroot/etc']],
    "bubblewrap's own folders": [['tmp', `/oldroot${host}`], ['root', `/oldroot${host}`], ['dev', `/newroot/../oldroot${host}`], ['srv', `/oldroot${host}`], ['etc', `/oldroot${host}`]],
    "a Java of the host's": [['usr/lib', '/usr/lib'], ['opt/java', host]],
  };
  const mounts = [{ source: join(alpine, 'home'), destination: '/srv/shared', readOnly: true }, { source: join(alpine, 'var'), destination: '/etc/var/deeper', readOnly: true }];
  const script = 'cat /etc/hosts /etc/passwd /etc/ssl/certs/*.crt /etc/ssl/cert.pem; echo; ls -d /dev/null /proc/self; touch /tmp/x /root/y && echo "in $PWD"';
  const attempt = async (links: readonly [string, string][]): Promise<JobResult> => {
    const root = copyOf(alpine, 'hostile');
    try {
      for (const [link, target] of links) {
        rmSync(join(root, link), { recursive: true, force: true });
        mkdirSync(join(root, link, '..'), { recursive: true });
        symlinkSync(target, join(root, link));
      }
      return await sh(root, script, { caCertificate: origin.authority, cwd: '/srv/made/here', mounts });
    } finally {
      rmSync(root, { recursive: true });
    }
  };
  for (const [name, links] of Object.entries(hostile)) {
    const { stdout, stderr } = await attempt(links);
    assert.ok(!stdout.includes(WORDS), name);
    assert.match(stdout, /127\.0\.0\.1 localhost[^]*BEGIN CERTIFICATE[^]*\n\/dev\/null\n\/proc\/self\nin \/srv\/made\/here\n$/, `${name}: ${stderr}`);
    assert.equal(listing(host), before, name);
  }
  for (const target of ['/proc/self/root/etc', '/tmp/etc', '/dev']) await assert.rejects(attempt([['etc', target]]), /its folder leads to \/(proc|tmp|dev), which is the guest's own/);
  assert.equal(listing(host), before);
  rmSync(host, { recursive: true });
});

test('a root that cannot be one is refused by name', async () => {
  const circle = copyOf(alpine, 'circle');
  rmSync(join(circle, 'etc'), { recursive: true });
  symlinkSync('etc', join(circle, 'etc'));
  const refused: [string, JobOptions, RegExp][] = [
    ['/', {}, /refused: it is the host's own root/],
    ['/proc/self', {}, /refused: it lies in \/proc/],
    [folder.at('nowhere'), {}, /cannot be opened \(ENOENT\)/],
    [circle, {}, /in a circle from \/etc/],
    [alpine, { hiddenPaths: [alpine] }, /guests never see what lies in it/],
    [alpine, { without: ['overlays'] }, /no overlay can be made of the root/],
    [alpine, { mounts: [{ source: folder.path, destination: '/bin/../proc/x', readOnly: true }] }, /lies in \/proc/],
  ];
  for (const [root, options, words] of refused) await assert.rejects(sh(root, 'true', options), words);
  const led = copyOf(alpine, 'led');
  symlinkSync('/proc', join(led, 'to-proc'));
  symlinkSync('/', join(led, 'to-top'));
  for (const [destination, words] of [['/to-proc/self/x', /leads to \/proc/], ['/to-top', /leads to the root itself/]] as const) {
    await assert.rejects(sh(led, 'true', { mounts: [{ source: folder.path, destination, readOnly: true }] }), { code: 'engine_mount_refused', message: words });
  }
});

test("where root is another user's, its home is an empty one, and closed folders stay closed", { skip: process.getuid!() !== 0 && 'needs a second user' }, async () => {
  const root = copyOf(alpine, 'foreign');
  execFileSync('bash', ['-c', 'chmod 711 "$2"; chmod -R go+rX "$1"; chmod 700 "$1"/root; mkdir -m 700 "$1"/secret; echo x >"$1"/secret/file', 'bash', root, folder.path]);
  const spec = { command: 'sh', args: ['-c', 'id -u; cd && pwd && touch x && ls -R; cat /secret/file || echo closed; touch /bin/x || echo kept; touch /x && echo made'], rootfs: root, stdio: [0, 1, 2], mounts: [{ source: join(root, 'etc/ssl/certs'), destination: '/root/deep/mount', readOnly: true }] };
  const host = spawn('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '--no-warnings', join(import.meta.dirname, '../../../engines/host.ts'), 'namespace', JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'], cwd: '/' });
  let output = '';
  host.stdout!.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  try {
    await within(new Promise((resolve) => host.on('message', (message: { exited?: unknown }) => message.exited && resolve(message.exited))));
    host.send('close');
    await within(once(host, 'close'));
    assert.equal(output, '0\n/root\n.:\ndeep\nx\n\n./deep:\nmount\n\n./deep/mount:\nca-certificates.crt\nclosed\nkept\nmade\n');
  } finally {
    host.kill('SIGKILL');
  }
});

test("the job's certificate is in the root's Java stores, wherever an image keeps its Java", async () => {
  const root = copyOf(alpine, 'java');
  for (const home of ['usr/lib/jvm/one', 'opt/java/two', 'srv/three']) {
    mkdirSync(join(root, home, 'lib/security'), { recursive: true });
    writeFileSync(join(root, home, 'lib/security/cacerts'), 'old');
  }
  mkdirSync(join(root, 'etc/ssl/certs/java'));
  writeFileSync(join(root, 'etc/ssl/certs/java/cacerts'), 'old');
  rmSync(join(root, 'srv/three/lib/security/cacerts'));
  symlinkSync('/etc/ssl/certs/java/cacerts', join(root, 'srv/three/lib/security/cacerts'));
  const { stdout } = await sh(root, 'sha1sum /usr/lib/jvm/one/lib/security/cacerts /opt/java/two/lib/security/cacerts /srv/three/lib/security/cacerts | cut -d " " -f 1 | sort | uniq -c; head -c 4 /srv/three/lib/security/cacerts | od -An -tx1; readlink /srv/three/lib/security/cacerts', { caCertificate: origin.authority, imageEnv: { JAVA_HOME: '/srv/three' } });
  assert.match(stdout, /^ +3 [0-9a-f]{40}\n fe ed fe ed\n\/etc\/ssl\/certs\/java\/cacerts\n$/);
  assert.equal(readFileSync(join(root, 'opt/java/two/lib/security/cacerts'), 'utf8'), 'old');
});
