/** The programs that the engine starts, and the packages that bring them. */
import { findMachineTools } from '../examination.ts';
import { findTool } from '../../tools.ts';
import { Debian } from './debian.ts';
import { failure } from './failure.ts';

interface Program {
  readonly name: string;
  /** Debian's package. */
  readonly package: string;
  isHere(): boolean;
}

const tool = (name: string, from: string): Program => ({ name, package: from, isHere: () => findTool(name) !== null });
const ofMachine = (name: string, from: string): Program => ({
  name,
  package: from,
  isHere: () => {
    const found = findMachineTools();
    return 'tools' in found || !found.missing.includes(name);
  },
});

const PROGRAMS: readonly Program[] = [
  ofMachine('qemu-system-x86_64', 'qemu-system-x86'),
  ofMachine('virtiofsd', 'qemu-system-common'),
  tool('bwrap', 'bubblewrap'),
  tool('nft', 'nftables'),
  tool('ip', 'iproute2'),
  tool('unshare', 'util-linux'),
  tool('setsid', 'util-linux'),
];
/** In Debian 12 it belongs to QEMU; since then it is a package of its own, which has the same name. */
const VIRTIOFSD = 'virtiofsd';

export interface ProgramSetup {
  readonly debian: Debian;
  readonly say: (sentence: string) => void;
  readonly programs?: readonly Program[];
}

/** Installs what is missing, as root on Debian; else throws `engine_setup_failed` with the one line to run. */
export async function setUpPrograms({ debian, say, programs = PROGRAMS }: ProgramSetup): Promise<void> {
  const missing = (): Program[] => programs.filter((program) => !program.isHere());
  const wanted = missing();
  if (wanted.length === 0) return say(`The programs that it starts are there: ${namesOf(programs)}.`);
  if (!Debian.isHere() || process.getuid?.() !== 0) throw failure(`it needs ${namesOf(wanted)}, which this machine lacks`, await installLine(wanted));
  const install = async (packages: readonly string[]): Promise<void> => {
    try {
      await debian.install(packages);
    } catch (error) {
      throw failure(`${packages.join(', ')} could not be installed: ${error instanceof Error ? error.message : String(error)}`, await installLine(wanted), error);
    }
    say(`Installed Debian's ${packages.join(', ')}, for ${namesOf(wanted)} ${wanted.length === 1 ? 'was' : 'were'} missing; apt held them against the signed lists of the archive.`);
  };
  await install(packagesOf(wanted));
  if (missing().some(({ name }) => name === VIRTIOFSD)) await install([VIRTIOFSD]);
  const left = missing();
  if (left.length > 0) throw failure(`${packagesOf(wanted).join(', ')} did not bring ${namesOf(left)}`, 'Install them by hand, and run this again.');
}

async function installLine(missing: readonly Program[]): Promise<string> {
  if (!Debian.isHere()) return `Install them with this system's package manager; in Debian they are in ${packagesOf(missing).join(', ')} (and ${VIRTIOFSD}).`;
  const isOwnPackage = await Debian.knows(VIRTIOFSD);
  const packages = packagesOf(missing.map((each) => (each.name === VIRTIOFSD && isOwnPackage ? { ...each, package: VIRTIOFSD } : each)));
  return `Run: sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}'`;
}

function packagesOf(programs: readonly Program[]): string[] {
  return [...new Set(programs.map((program) => program.package))];
}

function namesOf(programs: readonly Program[]): string {
  return programs.map(({ name }) => name).join(', ');
}
