/** `rootfs` in a profile: jobs on images of `docker save` and OCI tars, captured, in every engine. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { imageTar, tarOf, tarOfFolder } from '../stage/image.ts';
import { testKernelHome } from '../stage/kernel.ts';
import { alpineRoot, debianRoot } from '../stage/roots.ts';
import { Stage } from './stage/stage.ts';

const LIMIT = { timeout: 110_000 };
let stage: Stage;

before(async () => {
  stage = await Stage.open();
  mkdirSync(join(stage.workspace.home, 'engines'), { recursive: true, mode: 0o700 });
  symlinkSync(await testKernelHome(), join(stage.workspace.home, 'engines/qemu'));
  const upper = await tarOf([{ name: 'srv/app/' }, { name: 'srv/app/entry', mode: 0o755, content: '#!/bin/sh\necho "entry in $PWD: $WHO"\nexec "$@"\n' }]);
  const config = { Env: ['PATH=/usr/bin:/bin', 'WHO=the image'], WorkingDir: '/srv/app', Entrypoint: ['./entry'], Cmd: ['curl', '-sS', 'https://api.demo.test/by-cmd'] };
  const write = async (name: string, layers: Buffer[], options: Parameters<typeof imageTar>[1]): Promise<void> => writeFileSync(stage.workspace.path(name), await imageTar(layers, { config, ...options }));
  await write('debian.tar', [tarOfFolder(await debianRoot()), upper], { format: 'docker' });
  await write('alpine.tar', [tarOfFolder(await alpineRoot()), upper], { format: 'oci', compression: 'gzip' });
});
after(() => stage.close());

const images = (): string[] => readdirSync(stage.workspace.path('home/rootfs'));

for (const engine of ['namespace', 'qemu'] as const) {
  describe(engine, () => {
    test('of Debian, by docker save: what the image says is run, in its folder, with its variables; every flow is recorded', LIMIT, async () => {
      const flags = stage.profile({ rootfs: 'debian.tar', engine, mounts: [] });
      const known = existsSync(stage.workspace.path('home/rootfs'));
      const job = await stage.workspace.job(flags, [], { timeout: 100_000 });
      assert.deepEqual([job.code, job.stdout], [0, 'entry in /srv/app: the image\nGET /by-cmd 0\n'], job.stderr);
      assert.equal(/^mentu: unpacking .*debian\.tar, once$/m.test(job.stderr), !known);
      assert.deepEqual(job.summary.command, ['./entry', 'curl', '-sS', 'https://api.demo.test/by-cmd']);
      assert.deepEqual(job.flows.map(({ request, outcome }) => [request!.url, outcome]), [['https://api.demo.test/by-cmd', 'completed']]);
      assert.ok(job.summary.boot_ms['rootfs']! > 0);
    });

    test("of Alpine's layout, as an OCI tar: a command of one's own takes the place of the image's", LIMIT, async () => {
      const flags = stage.profile({ rootfs: 'alpine.tar', engine, env: { WHO: 'the profile' } });
      const job = await stage.workspace.job(flags, ['sh', '-c', 'echo "$WHO in $PWD"; cat /etc/alpine-release; wget -qO- https://api.demo.test/wget; echo kept >/srv/app/new'], { timeout: 100_000 });
      assert.deepEqual([job.code, job.stdout], [0, 'the profile in /srv/app\n3.20.0\nGET /wget 0\n'], job.stderr);
      assert.deepEqual(job.flows.map(({ request, outcome }) => [request!.url, outcome]), [['https://api.demo.test/wget', 'completed']]);
    });
  });
}

test('each image is unpacked once, for every engine and job', LIMIT, async () => {
  const before = images();
  assert.equal(before.length, 2);
  const runs = await Promise.all([1, 2, 3].map(() => stage.workspace.run('mentu-runtime', ['exec', '--rootfs', 'alpine.tar', '--network', 'none', '--', 'sh', '-c', 'ls /srv/app; touch /srv/app/mine'])));
  for (const { code, stdout, stderr } of runs) assert.deepEqual([code, stdout, stderr], [0, 'entry\n', ''], 'nothing of one job is in the next');
  assert.deepEqual(images(), before);
});

test('arguments without a command go to the image\'s entry point; a mount that shows the working directory is where it starts', LIMIT, async () => {
  stage.workspace.write('args.json', { rootfs: 'alpine.tar', networkMode: 'none', args: ['pwd'], mounts: [{ source: '.', destination: '/work', readOnly: true }] });
  const { code, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--profile', 'args.json']);
  assert.equal(code, 127, stderr); // ./entry is not in the mount
  stage.workspace.write('args.json', { rootfs: 'alpine.tar', networkMode: 'none', args: ['pwd'] });
  const inImage = await stage.workspace.run('mentu-runtime', ['exec', '--profile', 'args.json']);
  assert.deepEqual([inImage.code, inImage.stdout], [0, 'entry in /srv/app: the image\n/srv/app\n'], inImage.stderr);
});

test('what is no image is refused before anything runs: 125, and what is wrong with it', LIMIT, async () => {
  const image = await imageTar([await tarOf([{ name: 'x' }])], { architecture: 's390x' });
  writeFileSync(stage.workspace.path('foreign.tar'), image);
  writeFileSync(stage.workspace.path('cut.tar'), image.subarray(0, 2000));
  writeFileSync(stage.workspace.path('text.tar'), 'a text\n'.repeat(1000));
  writeFileSync(stage.workspace.path('bare.tar'), await imageTar([await tarOf([{ name: 'x' }])]));
  const cases = [['foreign.tar', /for linux\/s390x, and this machine is .* \[engine_image_platform\]/], ['cut.tar', /cut off.* \[engine_image_invalid\]/], ['text.tar', /at byte 0.* \[engine_image_invalid\]/], ['bare.tar', /\[command_missing\]/]] as const;
  for (const [rootfs, words] of cases) {
    const { code, stdout, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--rootfs', rootfs, ...(rootfs === 'bare.tar' ? [] : ['--', 'true'])]);
    assert.deepEqual([code, stdout], [125, ''], stderr);
    assert.match(stderr, words);
  }
});
