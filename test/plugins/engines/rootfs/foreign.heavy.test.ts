/** Images that others make: umoci and skopeo, run in a guest on a root of their own. And a Debian that debootstrap has installed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openRootfs } from '../../../../plugins/engines/rootfs/image.ts';
import { TestFolder, imageTar, tarOfFolder } from '../../../stage/image.ts';
import { alpineRoot, debianRoot, rootOf } from '../../../stage/roots.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { runJob } from '../../../engines/job.ts';
import type { JobResult } from '../../../engines/job.ts';
import { ANSWER, NAME, ORIGIN, Origin } from '../../../engines/origin.ts';

const folder = new TestFolder();
const origin = new Origin();
let debian = '';
before(async () => {
  debian = await debianRoot();
});
after(() => {
  folder.close();
  origin.close();
});

/** With what it is made of, and two images of it in different words. */
const SCRIPT = `set -e; cd /out; export HOME=/tmp
umoci init --layout image; umoci new --image image:one
umoci unpack --rootless --image image:one bundle
cp -a /files/. bundle/rootfs/ 2>/dev/null || true
umoci repack --image image:one bundle
rm -rf bundle; umoci unpack --rootless --image image:one bundle
rm -r bundle/rootfs/etc/ca-certificates bundle/rootfs/usr/share/doc; echo added >bundle/rootfs/etc/added; ln -sf /etc/added bundle/rootfs/etc/link; rm bundle/rootfs/usr/bin/wget; mkdir bundle/rootfs/usr/bin/wget
umoci repack --image image:one bundle
umoci config --image image:one --config.env WHO=umoci --config.env PATH=/usr/bin:/bin --config.workingdir /srv --config.cmd /bin/echo --config.cmd hello
skopeo copy -q --insecure-policy oci:image:one docker-archive:docker.tar:test/one:latest
skopeo copy -q --insecure-policy oci:image:one oci-archive:oci.tar
skopeo copy -q --insecure-policy --dest-compress-format zstd --dest-force-compress-format oci:image:one oci-archive:zstd.tar || skopeo copy -q --insecure-policy --dest-compress-format zstd oci:image:one oci-archive:zstd.tar
tar -C image -cf layout.tar .`;

test("umoci's and skopeo's images, in every format that they write, are one root with what its layers say", { timeout: 600_000 }, async () => {
  const tools = await rootOf('image-tools', ['umoci', 'skopeo', 'tar']);
  const out = folder.at('out');
  mkdirSync(out);
  const made = await runJob(NAMESPACE, {
    command: 'bash', args: ['-c', SCRIPT], rootfs: tools, env: {}, network: 'none', limitMs: 400_000,
    mounts: [{ source: out, destination: '/out', readOnly: false }, { source: debian, destination: '/files', readOnly: true }],
  });
  assert.equal(made.exit.code, 0, made.stderr + made.stdout);
  const folders = new Set<string>();
  for (const name of ['docker.tar', 'oci.tar', 'zstd.tar', 'layout.tar']) {
    const { folder: root, image } = await openRootfs(`${out}/${name}`, folder.at('cache'));
    folders.add(root);
    assert.deepEqual([image!.env['WHO'], image!.workingDir, image!.command], ['umoci', '/srv', ['/bin/echo', 'hello']], name);
    const compared = execFileSync('bash', ['-c', 'diff -rq --no-dereference "$1" "$2" 2>&1 | sort || true', 'bash', debian, root], { encoding: 'utf8' });
    assert.deepEqual(
      compared.trim().split('\n').map((line) => line.replaceAll(debian, 'D').replaceAll(root, 'R')).sort(),
      ['File D/usr/bin/wget is a regular file while file R/usr/bin/wget is a directory', 'Only in D/etc: ca-certificates', 'Only in D/usr/share: doc', 'Only in R/etc: added', 'Only in R/etc: link'],
      name,
    );
  }
  const guest = await origin.visit(NAMESPACE, `${'cat /etc/link; '}curl -sS ${ORIGIN}`, origin.authority, { rootfs: [...folders][0]!, env: {} });
  assert.equal(guest.stdout, `added\n${ANSWER}\n`, guest.stderr);
});

test('a Debian that debootstrap has installed: its own trust with the job\'s, its package manager, as a folder and as an image', { timeout: 900_000, skip: process.getuid!() !== 0 && 'debootstrap needs root' }, async () => {
  const root = folder.at('debootstrap');
  execFileSync('debootstrap', ['--variant=minbase', '--include=curl,ca-certificates', 'bookworm', root], { stdio: 'pipe', timeout: 600_000 });
  const image = folder.file('debootstrap.tar', await imageTar([tarOfFolder(root)], { compression: 'zstd' }));
  const opened = await openRootfs(image, folder.at('cache'));
  const script = `unset SSL_CERT_FILE CURL_CA_BUNDLE; curl -sS ${ORIGIN}; grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; dpkg -l | grep -c ^ii; apt-get --version | head -1; rm -r /var/lib/apt && mkdir /var/lib/apt && ls -A /var/lib/apt; dpkg --purge --force-all curl | tail -1; [ -e /usr/bin/curl ] || echo gone`;
  for (const rootfs of [root, opened.folder]) {
    const { stdout, stderr } = await origin.visit(NAMESPACE, script, origin.authority, { rootfs, env: {} });
    const lines = stdout.trim().split('\n');
    assert.equal(lines[0], ANSWER, stderr);
    assert.ok(Number(lines[1]) > 100 && Number(lines[2]) > 50, stdout);
    assert.match(stdout, /\napt 2\.6/);
    assert.match(stdout, /\nRemoving curl .*\ngone\n$/, stderr);
    assert.ok(existsSync(`${rootfs}/usr/bin/curl`));
    const doubting = await origin.visit(NAMESPACE, `curl -sS ${ORIGIN}`, null, { rootfs, env: {} });
    assert.match(doubting.stderr, /certificate/);
  }
});

test('a program that is linked statically against musl trusts the job\'s CA in a root of Alpine\'s layout, by the files that it finds itself', { timeout: 300_000 }, async () => {
  // sentry-cli is one, and verifies by OpenSSL, which looks for the stores of many distributions.
  execFileSync('npm', ['pack', '@sentry/cli-linux-x64@3', '--silent'], { cwd: folder.path, stdio: 'pipe', timeout: 200_000 });
  execFileSync('bash', ['-c', 'tar -xzf sentry-cli-linux-x64-*.tgz'], { cwd: folder.path });
  const program = folder.at('package/bin/sentry-cli');
  const run = (caCertificate: string | null): Promise<JobResult> =>
    origin.visit(NAMESPACE, `unset $(env | sed -n 's/^\\([A-Z_]*CA[A-Z_]*\\|SSL_[A-Z_]*\\)=.*/\\1/p'); env | grep -c ssl/certs; /opt/cli --url https://${NAME} --auth-token x info 2>&1`, caCertificate, {
      command: 'sh', rootfs, env: {}, mounts: [{ source: program, destination: '/opt/cli', readOnly: true }],
    });
  const rootfs = await alpineRoot();
  const [trusting, doubting] = await Promise.all([run(origin.authority), run(null)]);
  assert.match(doubting.stdout, /certificate|SSL/i);
  assert.doesNotMatch(trusting.stdout, /certificate|SSL/i);
  assert.notEqual(trusting.stdout, doubting.stdout);
});
