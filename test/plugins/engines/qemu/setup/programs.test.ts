/** The programs that the engine starts, on machines that lack some: hidden by mounts, and an apt-get that writes down what it is asked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const PROGRAM = join(import.meta.dirname, 'programs-program.ts');
const hide = (...paths: string[]): string[] => paths.flatMap((path) => ['--ro-bind', '/dev/null', path]);
const NFT = hide('/usr/sbin/nft');
const QEMU = [...hide('/usr/bin/qemu-system-x86_64'), '--tmpfs', '/usr/lib/qemu'];
const UPDATE = /(?:^|\n)-q -o DPkg::Lock::Timeout=\d+ update\n/;

class Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mentu-programs-'));

  constructor(context: TestContext, apt: string, cache = ':') {
    context.after(() => rmSync(this.#folder, { recursive: true, force: true }));
    mkdirSync(this.#path('bin'));
    writeFileSync(this.#path('apt-get'), `#!/bin/sh\nlog=${this.#path('log')}\nbin=${this.#path('bin')}\necho "$*" >>$log\n${apt}\n`, { mode: 0o755 });
    writeFileSync(this.#path('apt-cache'), `#!/bin/sh\n${cache}\n`, { mode: 0o755 });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  /** What apt-get was asked. */
  get asked(): string {
    return existsSync(this.#path('log')) ? readFileSync(this.#path('log'), 'utf8') : '';
  }

  run({ uid = 0, missing }: { uid?: number; missing: readonly string[] }): { code: number | null; output: string } {
    const apt = ['apt-get', 'apt-cache'].flatMap((name) => ['--ro-bind', this.#path(name), `/usr/bin/${name}`]);
    const view = ['--dev-bind', '/', '/', '--unshare-user', '--uid', `${uid}`, ...(missing.includes('/usr/bin') ? [] : apt), ...missing];
    const { status, stdout, stderr } = spawnSync('bwrap', [...view, process.execPath, PROGRAM, this.#path('home')], {
      env: { ...process.env, PATH: `${this.#path('bin')}:${process.env['PATH']}` },
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { code: status, output: stdout + stderr };
  }
}

const BRING = 'for each; do case $each in nftables) echo >$bin/nft; chmod +x $bin/nft;; qemu-system-x86) echo >$bin/qemu-system-x86_64; chmod +x $bin/*;; virtiofsd) echo >$bin/virtiofsd; chmod +x $bin/virtiofsd;; esac; done';

test('nothing is asked of apt where nothing is missing', (t) => {
  const machine = new Machine(t, ':');
  const { code, output } = machine.run({ missing: [] });
  assert.equal(code, 0, output);
  assert.equal(output, 'The programs that it starts are there: qemu-system-x86_64, virtiofsd, bwrap, nft, ip, unshare, setsid.\n');
  assert.equal(machine.asked, '');
});

test('as root, what is missing is installed, and that alone', (t) => {
  const machine = new Machine(t, BRING);
  const { code, output } = machine.run({ missing: NFT });
  assert.equal(code, 0, output);
  assert.match(output, /^Installed Debian's nftables, for nft was missing; apt held them against the signed lists/);
  assert.match(machine.asked, /^-q -y --no-install-recommends -o DPkg::Lock::Timeout=\d+ install nftables\n$/);
});

test('virtiofsd comes as a package of its own where that of QEMU does not bring it', (t) => {
  const machine = new Machine(t, BRING);
  const { code, output } = machine.run({ missing: QEMU });
  assert.equal(code, 0, output);
  assert.match(machine.asked, /install qemu-system-x86 qemu-system-common\n.* install virtiofsd\n$/);
});

test('where the lists of packages are absent they are fetched, and then it is installed', (t) => {
  const machine = new Machine(t, `case "$*" in *update*) : >$log.updated;; *) [ -e $log.updated ] || { echo "E: Unable to locate package nftables" >&2; exit 100; }; ${BRING};; esac`);
  const { code, output } = machine.run({ missing: NFT });
  assert.equal(code, 0, output);
  assert.match(machine.asked, UPDATE);
  assert.match(output, /^Fetched the lists of packages anew \(apt-get update\)\.\nInstalled Debian's nftables/);
});

test('what apt cannot do is told in its own words, with the line to run', (t) => {
  const failing = new Machine(t, 'echo "E: no network here" >&2; exit 100').run({ missing: NFT });
  assert.equal(failing.code, 1);
  assert.match(failing.output, /nftables could not be installed: .*E: no network here \(exit code 100\).*\[engine_setup_failed\] Run: sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends nftables'/s);
  const idle = new Machine(t, ':').run({ missing: NFT });
  assert.equal(idle.code, 1);
  assert.match(idle.output, /nftables did not bring nft\. \[engine_setup_failed\]/);
});

test('without root nothing is installed, and the line to run is told', (t) => {
  const machine = new Machine(t, BRING);
  const { code, output } = machine.run({ uid: 1000, missing: [...NFT, ...QEMU] });
  assert.equal(code, 1);
  assert.match(output, /it needs qemu-system-x86_64, virtiofsd, nft, which this machine lacks/);
  assert.match(output, /Run: sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends qemu-system-x86 qemu-system-common nftables'/);
  assert.equal(machine.asked, '');
  const later = new Machine(t, BRING, 'echo "Package: virtiofsd"').run({ uid: 1000, missing: QEMU });
  assert.match(later.output, /--no-install-recommends qemu-system-x86 virtiofsd'/);
});

test('a machine without apt is told what to install', (t) => {
  const { code, output } = new Machine(t, ':').run({ missing: ['--tmpfs', '/usr/bin'] });
  assert.equal(code, 1);
  assert.match(output, /it needs qemu-system-x86_64, bwrap, ip, unshare, setsid, which this machine lacks\. \[engine_setup_failed\] Install them with this system's package manager; in Debian they are in qemu-system-x86, bubblewrap, iproute2, util-linux/);
});
