/** Roots in place of the host's /usr, in every engine: Debian's and one of Alpine's layout, as folders and from images. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { openRootfs } from '../../plugins/engines/rootfs/image.ts';
import { TestFolder, imageTar, tarOf, tarOfFolder } from '../stage/image.ts';
import { alpineRoot, debianRoot } from '../stage/roots.ts';
import { ENGINES } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { consume, runJob, specOf, until, within } from './job.ts';
import type { JobOptions } from './job.ts';
import { ANSWER, NAME, ORIGIN, Origin } from './origin.ts';
import { sectionsOf } from './sections.ts';

const origin = new Origin();
const folder = new TestFolder();
let debian = '';
let alpine = '';
const image = { debian: '', alpine: '' };

before(async () => {
  [debian, alpine] = await Promise.all([debianRoot(), alpineRoot()]);
  const upper = await tarOf([{ name: 'etc/layer', content: 'second\n' }, { name: 'etc/.wh.issue' }, { name: 'srv/app/', mode: 0o755 }, { name: 'run/of-the-image/', mode: 0o755 }]);
  const config = { Env: ['PATH=/usr/bin:/bin', 'IMAGE=yes', 'SSL_CERT_FILE=/of/the/image'], WorkingDir: '/srv/app' };
  const cache = folder.at('cache');
  const opened = async (layers: Buffer[], format: 'docker-old' | 'oci'): Promise<string> =>
    (await openRootfs(folder.file(`${format}.tar`, await imageTar(layers, { format, compression: format === 'oci' ? 'zstd' : 'none', config })), cache)).folder;
  image.debian = await opened([tarOfFolder(debian), upper], 'docker-old');
  image.alpine = await opened([tarOfFolder(alpine), upper], 'oci');
});
after(() => {
  origin.close();
  folder.close();
});

/** Scripts of a POSIX shell, each under its name, in one guest. */
async function visit(engine: TestedEngine, rootfs: string, steps: Readonly<Record<string, string>>, trusting = true, options: JobOptions = {}): Promise<Map<string, string>> {
  const script = Object.entries(steps).map(([name, step]) => `echo; echo "== ${name}"; { ${step}\n} 2>&1`).join('\n') + '\ntrue';
  const { stdout, stderr, exit } = await origin.visit(engine, script, trusting ? origin.authority : null, { command: 'sh', args: ['-c', script], rootfs, env: {}, limitMs: 30_000 * engine.patience, ...options });
  assert.deepEqual([exit.code, stderr], [0, '']);
  return sectionsOf(stdout);
}

const NO_VARIABLES = 'unset SSL_CERT_FILE CURL_CA_BUNDLE';
const REQUEST = `printf 'GET / HTTP/1.0\\r\\n\\r\\n'`;
const S_CLIENT = `openssl s_client -quiet -verify_quiet -verify_return_error -connect ${NAME}:443 -servername ${NAME}`;
const CLIENTS = {
  curl: `${NO_VARIABLES}; curl -sS ${ORIGIN}`,
  'curl by variables': `curl -sS ${ORIGIN}`,
  wget: `wget -nv -O- ${ORIGIN}`,
  'openssl by the folder of hashes': `${NO_VARIABLES}; ${REQUEST} | ${S_CLIENT} -no-CAfile -CApath /etc/ssl/certs`,
};
const SURROUNDINGS = {
  user: 'id -u; echo ~; pwd',
  system: 'cat /etc/debian_version /etc/alpine-release 2>/dev/null',
  names: 'cat /etc/resolv.conf; grep -c guest /etc/hosts; cat /etc/hostname; grep ^root: /etc/passwd',
  layers: 'cat /etc/layer; ls /etc/issue; ls -d /run/of-the-image',
  kernel: 'ls -d /proc/self >/dev/null && [ -c /dev/null ] && echo x >/dev/null && stat -c %a /tmp && touch /tmp/x && ls -A /tmp',
  host: 'ls -d /opt/node/node /usr/lib/jvm /work 2>/dev/null',
  written: 'echo new >/etc/new && rm -r /usr/bin && mkdir /usr/bin && ls -A /usr/bin && cat /etc/new && touch ~/x /x /run/x && echo done',
};

for (const engine of ENGINES) {
  describe(engine.name, () => {
    // An unpacked image is a folder as well: where guests are slow to start, the harder half will do.
    const isSlow = engine.patience > 1;
    for (const form of isSlow ? (['image of docker save'] as const) : (['folder', 'image of docker save'] as const)) {
      test(`Debian's, ${form}: it is the guest's, its clients trust the job's CA, and what is written ends with the guest`, async () => {
        const [trusting, doubting] = await Promise.all([
          visit(engine, form === 'folder' ? debian : image.debian, { ...CLIENTS, ...SURROUNDINGS }),
          visit(engine, form === 'folder' ? debian : image.debian, CLIENTS, false),
        ]);
        for (const name of Object.keys(CLIENTS)) {
          assert.match(trusting.get(name)!, new RegExp(ANSWER), name);
          assert.doesNotMatch(doubting.get(name)!, new RegExp(ANSWER), name);
          assert.match(doubting.get(name)!, /certif|verify/i, `${name} refuses the certificate`);
        }
        assert.equal(trusting.get('user'), '0\n/root\n/\n');
        assert.match(trusting.get('system')!, /^12\.\d+\n$/);
        assert.match(trusting.get('names')!, /^nameserver [\d.]+\n1\nguest\nroot:x:0:0:/);
        assert.match(trusting.get('layers')!, form === 'folder' ? /layer: No such file[^]*\/etc\/issue\nls: .*of-the-image/ : /^second\nls: .*issue.*\n\/run\/of-the-image\n$/);
        assert.equal(trusting.get('kernel'), '1777\nx\n');
        assert.equal(trusting.get('host'), '/opt/node/node\n', 'a mount, and nothing of the host');
        assert.equal(trusting.get('written'), 'new\ndone\n');
        assert.ok(!existsSync(`${debian}/etc/new`) && existsSync(`${debian}/usr/bin/curl`) && !existsSync(`${image.debian}/x`));
      });
    }

    for (const form of isSlow ? (['OCI image'] as const) : (['folder', 'OCI image'] as const)) {
      test(`of Alpine's layout, ${form}: without glibc or setsid of its own`, async () => {
        const root = form === 'folder' ? alpine : image.alpine;
        const steps = {
          bundle: 'cat /etc/ssl/cert.pem',
          authority: 'cat /etc/ssl/certs/mentu-job-ca.pem',
          user: SURROUNDINGS.user,
          system: SURROUNDINGS.system,
          names: SURROUNDINGS.names,
          layers: SURROUNDINGS.layers,
          shell: 'readlink -f /proc/$$/exe',
          written: 'rm /bin/ls && echo gone >/etc/alpine-release && cat /var/run/../etc/alpine-release',
        };
        const found = await visit(engine, root, steps);
        assert.ok(found.get('bundle')!.includes(origin.authority.trim()) && found.get('bundle')!.length > 100_000, "the root's own authorities and the job's");
        assert.equal(found.get('authority'), origin.authority);
        assert.equal(found.get('user'), '0\n/root\n/\n');
        assert.equal(found.get('system'), '3.20.0\n');
        assert.match(found.get('names')!, /root:x:0:0:root:\/root:\/bin\/sh\n$/);
        assert.match(found.get('layers')!, form === 'folder' ? /layer'?: No such file/ : /^second\n[^]*\n\/run\/of-the-image\n$/);
        assert.equal(found.get('shell'), '/bin/busybox\n');
        assert.equal(found.get('written'), 'gone\n');
        assert.equal(execFileSync('cat', [`${root}/etc/alpine-release`], { encoding: 'utf8' }), '3.20.0\n');
      });
    }

    test("an image's variables are beaten by the trust's, and these by the profile's; mounts lie in the root, and the command's folder is made", async () => {
      const shared = folder.at(`shared-${engine.name}`);
      execFileSync('mkdir', [shared]);
      const mount = (destination: string, readOnly: boolean) => ({ source: shared, destination, readOnly });
      const found = await visit(
        engine,
        image.alpine,
        {
          variables: 'echo "$IMAGE $MINE $SSL_CERT_FILE $CURL_CA_BUNDLE $PATH"',
          folder: 'pwd',
          mounts: 'echo shared >/mnt/rw/file; cat /srv/ro/file /var/run/shared/file; echo x >/srv/ro/y',
        },
        true,
        {
          imageEnv: { PATH: '/usr/bin:/bin', IMAGE: 'yes', MINE: 'of the image', SSL_CERT_FILE: '/of/the/image' },
          env: { MINE: 'of the profile', CURL_CA_BUNDLE: '/of/the/profile' },
          cwd: '/made/for/it',
          mounts: [mount('/mnt/rw', false), mount('/srv/ro', true), mount('/var/run/shared', true)],
        },
      );
      assert.equal(found.get('variables'), 'yes of the profile /etc/ssl/certs/ca-certificates.crt /of/the/profile /usr/bin:/bin\n');
      assert.equal(found.get('folder'), '/made/for/it\n');
      assert.match(found.get('mounts')!, /^shared\nshared\nsh: .*Read-only file system\n$/);
      assert.equal(execFileSync('cat', [`${shared}/file`], { encoding: 'utf8' }), 'shared\n');
    });

    test("a terminal of a root's own shell: its size, job control, Ctrl-C", async () => {
      const guest = await (await engine.make()).prepare(specOf({ command: 'sh', args: ['-i'], env: { PS1: 'prompt> ' }, rootfs: alpine, terminal: { columns: 91, rows: 37 } }));
      consume(guest);
      let screen = '';
      guest.terminal!.output.on('data', (chunk: Buffer) => (screen += chunk.toString()));
      const shows = (words: RegExp): Promise<void> => until(`${words} on the screen`, () => words.test(screen), 5000 * engine.patience);
      try {
        await guest.run();
        await shows(/prompt> /);
        guest.terminal!.input.write('stty size; sleep 100 & jobs; kill %1; echo asleep; sleep 100\r');
        await shows(/37 91\r\n\[1\]\+ .*sleep 100\r\nasleep\r\n/);
        // More than once: between two commands of a line there is nobody whom it would end.
        const keys = setInterval(() => guest.terminal!.input.write('\x03'), 500);
        await shows(/asleep\r\n[^]*prompt> /).finally(() => clearInterval(keys));
        guest.terminal!.input.write('exit 4\r');
        assert.equal((await within(guest.exited, 5000 * engine.patience)).code, 4);
      } finally {
        await guest.close();
      }
    });

    test('how a command of a root ends: its code, 127, 126, a signal', async () => {
      const run = (command: string, ...args: string[]) => runJob(engine, { command, args, rootfs: alpine, env: { LD_PRELOAD: '/of/the/guest.so' }, limitMs: 30_000 * engine.patience });
      const results = await Promise.all([run('sh', '-c', 'echo $LD_PRELOAD; exit 3'), run('no-such-command'), run('/etc/passwd'), run('sh', '-c', 'kill -9 $$')]);
      assert.deepEqual(results.map(({ exit }) => exit.code), [3, 127, 126, 137]);
      assert.deepEqual([results[0]!.stdout, results[0]!.stderr], ['/of/the/guest.so\n', '']);
      assert.match(results[1]!.stderr, /no-such-command/);
    });
  });
}
