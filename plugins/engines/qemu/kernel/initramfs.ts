/** What a guest starts in: a static busybox, the kernel's modules and an init that hands over to the job's. */
import { cpioArchive, cpioContents, type CpioEntry } from './cpio.ts';
import type { LoadedModule } from './module-set.ts';

/** Of the kernel's command line: the guest says that it is up, and ends. */
export const PROBE_WORD = 'mentu.probe';
export const PROBE_LINE = 'mentu: the kernel is up';
/** What a guest says on its console before it ends for a reason of its own. */
export const COMPLAINT = 'mentu: ';
/** The tag of the share that holds the guest's root. */
export const SHARE_TAG = 'guest';
/** Of an archive for the job, which is put behind this one. */
export const JOB_INIT = '/job/init';
/** Loaded by the job's init where its root is to be written on. */
export const OVERLAY_MODULE = 'overlay';

const BUSYBOX = 'bin/busybox';
const moduleFile = (name: string): string => `lib/${name}.ko`;
const MODULES = 'lib/modules';
const FOLDERS = ['bin', 'dev', 'lib', 'proc', 'sys', 'share', 'new', 'run', 'tmp'];

/**
 * Each program that is started costs milliseconds without hardware virtualisation, so the shell's own words are used
 * wherever there is one. QEMU runs with -no-reboot: a reboot ends it.
 */
export function initText(modules: readonly string[]): string {
  const atStart = modules.filter((name) => name !== OVERLAY_MODULE);
  return `#!/bin/busybox sh
b=/bin/busybox
end() {
  echo "${COMPLAINT}$1" >/dev/console
  $b reboot -f
}
trap 'end "the init of the job ended"' EXIT
$b mount -t proc proc /proc
$b modprobe -a ${atStart.join(' ')} || end 'the modules cannot be loaded'
$b mount -t devtmpfs dev /dev
read -r line </proc/cmdline
case " $line " in
*' ${PROBE_WORD} '*)
  echo '${PROBE_LINE}' >/dev/console
  $b reboot -f
  ;;
esac
$b mount -t virtiofs ${SHARE_TAG} /share || end 'the share of the job cannot be mounted'
[ -r ${JOB_INIT} ] || end 'the initramfs has no ${JOB_INIT}'
. ${JOB_INIT}
`;
}

export interface InitramfsContent {
  readonly release: string;
  readonly busybox: Buffer;
  /** In the order in which they load. */
  readonly modules: readonly LoadedModule[];
}

/** Uncompressed: unpacking it would cost the guest more than QEMU takes to copy it. */
export function initramfs({ release, busybox, modules }: InitramfsContent): Buffer {
  const ofRelease = `${MODULES}/${release}`;
  const entries: CpioEntry[] = [
    ...[...FOLDERS, MODULES, ofRelease].map((name): CpioEntry => ({ name, kind: 'folder' })),
    // The first process has it as its stdin, stdout and stderr, before anything is mounted.
    { name: 'dev/console', kind: 'device', mode: 0o600, device: [5, 1] },
    { name: BUSYBOX, kind: 'file', mode: 0o755, data: busybox },
    { name: 'bin/sh', kind: 'link', mode: 0o777, data: 'busybox' },
    ...modules.map(({ name, bytes }): CpioEntry => ({ name: moduleFile(name), kind: 'file', data: bytes })),
    // What modprobe looks up. It is given all names in the order in which they load, so that no module needs to name another.
    { name: `${ofRelease}/modules.dep`, kind: 'file', data: modules.map(({ name }) => `/${moduleFile(name)}:\n`).join('') },
    { name: 'init', kind: 'file', mode: 0o755, data: initText(modules.map(({ name }) => name)) },
  ];
  return cpioArchive(entries);
}

/** The same with the init of this version, from an archive of an older one whose modules load in this order. Throws an `Error` where it is damaged. */
export function withOwnInit(archive: Buffer, release: string, modules: readonly string[]): Buffer {
  const contents = cpioContents(archive);
  const contentOf = (name: string): Buffer => {
    const content = contents.get(name);
    if (content === undefined) throw new Error(`the archive lacks ${name}`);
    return content;
  };
  return initramfs({ release, busybox: contentOf(BUSYBOX), modules: modules.map((name) => ({ name, bytes: contentOf(moduleFile(name)) })) });
}
