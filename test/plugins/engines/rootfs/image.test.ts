/** Images of every format, opened; and archives that are none, are damaged or are for others. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { UNPACK_LIMITS, openRootfs } from '../../../../plugins/engines/rootfs/image.ts';
import type { OpenedRootfs, RootfsOptions } from '../../../../plugins/engines/rootfs/image.ts';
import { ARCHITECTURE, FORMATS, TestFolder, addBlob, blobName, imageTar, json, manifest, sha256, tarOf } from '../../../stage/image.ts';
import type { ImageOptions } from '../../../stage/image.ts';

const folder = new TestFolder();
after(() => folder.close());
let layers: Buffer[] = [];
before(async () => {
  layers = await Promise.all([
    tarOf([{ name: 'etc/' }, { name: 'etc/os-release', content: 'NAME=Test\n' }, { name: 'gone', content: 'x' }, { name: 'big', content: Buffer.alloc(300_000, 'x') }]),
    tarOf([{ name: '.wh.gone' }, { name: 'etc/added', content: 'by the second layer' }]),
  ]);
});
let count = 0;

async function open(image: Buffer | string, options: RootfsOptions = {}, cache = folder.at(`cache-${count++}`)): Promise<OpenedRootfs> {
  return openRootfs(typeof image === 'string' ? image : folder.file(`image-${count++}.tar`, image), cache, options);
}

const mistake = async (image: Buffer | string, code: string, words: RegExp, options: RootfsOptions = {}): Promise<void> => {
  const cache = folder.at(`cache-${count++}`);
  await assert.rejects(open(image, options, cache), { code, message: words });
  assert.deepEqual(readdirSync(cache, { recursive: true }), [], 'nothing is left');
};
const invalid = (image: Buffer, words: RegExp, options: RootfsOptions = {}): Promise<void> => mistake(image, 'engine_image_invalid', words, options);
const made = (options: ImageOptions = {}): Promise<Buffer> => imageTar(layers, options);

for (const format of FORMATS) {
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`${format}, layers ${compression === 'none' ? 'plain' : `by ${compression}`}`, async () => {
      const opened = await open(await made({ format, compression }));
      assert.deepEqual(readdirSync(opened.folder).sort(), ['big', 'etc']);
      assert.equal(readFileSync(`${opened.folder}/etc/added`, 'utf8'), 'by the second layer');
      assert.equal(readFileSync(`${opened.folder}/big`).length, 300_000);
    });
  }
}

test('the same image has one folder, whatever archive it comes in, and is unpacked once', async () => {
  const cache = folder.at('one-cache');
  let unpacked = 0;
  const images = await Promise.all(FORMATS.map((format) => made({ format, compression: format === 'oci' ? 'gzip' : 'none' })));
  const opened: OpenedRootfs[] = [];
  for (const image of images) opened.push(await open(image, { unpacking: () => void unpacked++ }, cache));
  assert.equal(new Set(opened.map((each) => each.folder)).size, 1);
  assert.equal(unpacked, 1);
  const other = await open(await made({ config: { Env: ['A=b'] } }), {}, cache);
  assert.notEqual(other.folder, opened[0]!.folder);
});

test('what the image says of its command', async () => {
  const config = { Env: ['PATH=/opt/bin:/bin', 'EMPTY=', 'EQUALS=a=b'], WorkingDir: '/srv/app', Entrypoint: ['/init', '--'], Cmd: ['serve'], User: 'nobody' };
  const { image } = await open(await made({ config }));
  assert.deepEqual(image, { os: 'linux', architecture: ARCHITECTURE, env: { PATH: '/opt/bin:/bin', EMPTY: '', EQUALS: 'a=b' }, workingDir: '/srv/app', entrypoint: ['/init', '--'], command: ['serve'] });
  const { image: bare } = await open(await made());
  assert.deepEqual(bare, { os: 'linux', architecture: ARCHITECTURE, env: {}, workingDir: '/', entrypoint: [], command: [] });
});

test('an index of several platforms, also one within another, and notes that are no images', async () => {
  const image = await imageTar([], {
    change: (files) => {
      files.clear();
      const platform = (architecture: string, variant?: string): object => {
        const config = json({ architecture, os: 'linux', rootfs: { diff_ids: [`sha256:${sha256(layers[0]!)}`] } });
        return { ...addBlob(files, manifest(files, config, [layers[0]!]), 'application/vnd.oci.image.manifest.v1+json'), platform: { os: 'linux', architecture, ...(variant ? { variant } : {}) } };
      };
      const note = { ...addBlob(files, json({}), 'application/vnd.oci.image.manifest.v1+json'), platform: { os: 'unknown', architecture: 'unknown' }, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } };
      const inner = json({ schemaVersion: 2, manifests: [platform('s390x'), platform(ARCHITECTURE), platform(ARCHITECTURE, 'v3'), note] });
      files.set('index.json', json({ schemaVersion: 2, manifests: [addBlob(files, inner, 'application/vnd.oci.image.index.v1+json')] }));
    },
  });
  assert.equal((await open(image)).image?.architecture, ARCHITECTURE);
});

test("another machine's image is refused by name, with both platforms", async () => {
  await mistake(await made({ architecture: 'riscv64' }), 'engine_image_platform', new RegExp(`for linux/riscv64, and this machine is linux/${ARCHITECTURE}`));
  await mistake(await made({ os: 'windows', format: 'docker-old' }), 'engine_image_platform', /for windows\//);
  const foreign = await made({ change: (files) => files.set('index.json', json({ manifests: ['arm', 's390x'].map((architecture, index) => ({ digest: `sha256:${`${index}`.repeat(64)}`, platform: { os: 'linux', architecture } })) })) });
  await mistake(foreign, 'engine_image_platform', /for linux\/arm, linux\/s390x,/);
});

test('what its digest does not fit is refused: the configuration, a manifest, a layer packed or unpacked', async () => {
  const changed = (name: RegExp, by: (content: Buffer) => Buffer) => (files: Map<string, Buffer>): void => {
    for (const [file, content] of files) if (name.test(file)) files.set(file, by(content));
  };
  const flipped = (content: Buffer): Buffer => Buffer.concat([content.subarray(0, 600), Buffer.from([content[600]! ^ 1]), content.subarray(601)]);
  const layer = (options: ImageOptions, bytes: Buffer): Promise<Buffer> => made({ ...options, change: (files) => files.set(blobName(bytes), flipped(bytes)) });
  await invalid(await layer({}, layers[1]!), /layer 2 of 2 \(blobs\/sha256\/[0-9a-f]{64}\) (is not what it should be|at )/);
  await invalid(await layer({ compression: 'gzip' }, gzipSync(layers[0]!, { level: 1 })), /layer 1 of 2/);
  await invalid(await made({ format: 'docker-old', change: changed(/layer\.tar$/, (content) => Buffer.concat([content, Buffer.alloc(512)])) }), /layer 1 of 2 \(.*\) is not what it should be: its digest is sha256:/);
  await invalid(await made({ format: 'docker-old', change: changed(/^[0-9a-f]{64}\.json$/, (content) => Buffer.from(`${content} `)) }), /is not what its name says: its SHA-256 is/);
  await invalid(await made({ change: changed(/^blobs\//, (content) => (content.includes('diff_ids') ? Buffer.from(`${content} `) : content)) }), /is not what its name says/);
  await invalid(await made({ change: changed(/^blobs\//, (content) => (content.includes('"layers":') ? Buffer.from(`${content} `) : content)) }), /is not what its name says/);
});

test('archives that are no image, or cut off, are errors that say what and where', async () => {
  const image = await made({ format: 'docker' });
  await invalid(Buffer.alloc(0), /neither an index\.json nor a manifest\.json/);
  await invalid(Buffer.alloc(4096, 'garbage '), /at byte 0: Invalid tar header/);
  await invalid(gzipSync(image), /at byte 0: .*gunzipped/);
  await invalid(await tarOf([{ name: 'bin/sh', content: 'x' }]), /has to be unpacked into a folder/);
  for (const share of [0.2, 0.5, 0.9]) await invalid(image.subarray(0, Math.floor(image.length * share)), /cut off|not in the archive|Unexpected end|no(r a)? manifest/);
  const broken = Buffer.concat([image.subarray(0, 200_000), Buffer.alloc(image.length - 200_000, 7)]);
  await invalid(broken, /at byte \d+|layer 1/);
  await invalid(await made({ compression: 'gzip', change: (files) => files.forEach((content, name) => content.readUInt16BE(0) === 0x1f8b && files.set(name, content.subarray(0, 100))) }), /layer 1 of 2 .*unexpected end of file/);
});

test('JSON that is none, or says nothing of use, is named with the place in it', async () => {
  const said = (name: string, value: unknown, format: ImageOptions['format'] = 'oci') => made({ format, change: (files) => files.set(name, Buffer.isBuffer(value) ? value : json(value)) });
  await invalid(await said('index.json', Buffer.from('{')), /index\.json is not JSON/);
  await invalid(await said('index.json', []), /index\.json is not an object/);
  await invalid(await said('index.json', { manifests: {} }), /index\.json: manifests is not a list/);
  await invalid(await said('index.json', { manifests: [] }), /lists no image/);
  await invalid(await said('index.json', { manifests: [{ digest: '../../etc/passwd' }] }), /no SHA-256 or SHA-512 digest/);
  await invalid(await said('index.json', { manifests: [{ digest: `sha256:${'0'.repeat(64)}` }] }), /blobs\/sha256\/0{64} is not in the archive/);
  await invalid(await said('manifest.json', [{ Config: 7 }], 'docker-old'), /manifest\.json\[0\]: Config is not text/);
  await invalid(await said('manifest.json', [{ Config: '../../../etc/passwd', Layers: [] }], 'docker-old'), /passwd is not in the archive/);
  await invalid(await said('manifest.json', [{ Config: 'a', RepoTags: ['one:1'] }, { Config: 'b', RepoTags: ['two:2'] }], 'docker-old'), /holds 2 images \(one:1, two:2\); save one alone/);
  await invalid(await made({ config: { Env: ['=x'] } }), /an ENV without a name/);
  const artifact = await made({ change: (files) => files.set('index.json', json({ manifests: [addBlob(files, json({ config: { ...addBlob(files, json({}), 'application/vnd.cncf.helm.config.v1+json') }, layers: [] }), '')] })) });
  await invalid(artifact, /holds no image but application\/vnd\.cncf\.helm/);
  await invalid(await made({ format: 'docker-old', change: (files) => files.set('manifest.json', json([{ Config: [...files.keys()].find((name) => name.endsWith('.json')), Layers: [] }])) }), /names 2 layers, and its manifest 0/);
});

test('a bomb is given up at the limit, and its size is no matter of trust', async () => {
  const bomb = await imageTar([await tarOf([{ name: 'zeros', content: Buffer.alloc(50_000_000) }])], { compression: 'zstd' });
  assert.ok(bomb.length < 100_000);
  await invalid(bomb, /"zeros": it is said to have 50000000 bytes/, { limits: { ...UNPACK_LIMITS, bytes: 10_000_000 } });
  const padding = await imageTar([Buffer.alloc(50_000_000)], { compression: 'zstd' });
  await invalid(padding, /larger than 10000000 bytes when it is unpacked/, { limits: { ...UNPACK_LIMITS, bytes: 10_000_000 } });
});

test('a folder is opened as it is; one that guests never see, or that is an image, is refused', async () => {
  mkdirSync(folder.at('home/.mentu/jobs'), { recursive: true });
  mkdirSync(folder.at('plain/bin'), { recursive: true });
  symlinkSync('plain', folder.at('linked'));
  assert.deepEqual(await open(folder.at('linked')), { folder: folder.at('plain'), image: null });
  const hidden: RootfsOptions = { hiddenPaths: [folder.at('home')], maskedNames: ['.mentu'] };
  await assert.rejects(open(folder.at('home/.mentu/jobs'), { maskedNames: ['.mentu'] }), { code: 'engine_rootfs_refused', message: /never see what lies in \.mentu/ });
  await assert.rejects(open(folder.at('home/.mentu'), hidden), { code: 'engine_rootfs_refused', message: /never see/ });
  await assert.rejects(open(folder.at('nowhere')), { code: 'engine_rootfs_refused', message: /nowhere is refused: it cannot be opened \(ENOENT\)/ });
  await assert.rejects(open('/dev/null'), { code: 'engine_rootfs_refused', message: /neither a folder nor an archive/ });
  writeFileSync(folder.at('plain/oci-layout'), '{}');
  await assert.rejects(open(folder.at('plain')), { code: 'engine_rootfs_refused', message: /tar -C .*plain -cf image\.tar/ });
});

test('a cache that others may write to is refused', async () => {
  const cache = folder.at('open-cache');
  mkdirSync(cache);
  chmodSync(cache, 0o777);
  await assert.rejects(open(await made(), {}, cache), { code: 'engine_rootfs_refused', message: /others may write to it/ });
});
