/**
 * The guest's agent: shell scripts for the initramfs's busybox, written for one job. The first is read by process 1 in
 * place of an init. It gives the guest what its own kernel has to make (folders in memory, devices, addresses), waits
 * for the word to go, runs the command and tells its exit code when all its output is out.
 *
 * Every program that is started costs milliseconds where the guest's processor is translated, so what can be is a file
 * in the job's archive, a line of the mount table or a word of the shell.
 */
import { HOSTNAME } from '../root/etc.ts';
import { GUEST, PLANE } from '../plane/addresses.ts';
import { cpioArchive } from './kernel/cpio.ts';
import type { CpioEntry } from './kernel/cpio.ts';
import { JOB_INIT } from './kernel/initramfs.ts';
import { PORTS } from './machine.ts';
import { DEVICES, ROOT, SHELL_IN_ROOT, mountTable } from './mount-table.ts';
import type { MachinePlan } from './plan.ts';

/** Process 1 of the command's own process and mount namespaces: with it ends whatever the command left behind. */
const JOB = '/job/run';
const TABLE = '/job/fstab';
/** Made right before the command is started. */
const STARTED = '/run/started';
/** What telnetd starts on the pseudo-terminal, which is the first one. */
const LOGIN = '/job/login';
const TERMINAL = '/dev/pts/0';
const BUSYBOX = '/bin/busybox';
/**
 * Starts the command as a shell does. It is looked for here, for busybox takes a name for one of its own programs before
 * it looks for one in the guest's root. `odd`: variables that the shell would drop, for their names are none to it.
 */
function enter(odd: readonly string[]): string {
  const env = odd.length > 0 ? `env ${odd.map(quoted).join(' ')} ` : '';
  return `cd "$1" || exit 125
shift
case $1 in */*) exec ${env}"$@";; esac
name=$1 code=127 IFS=:
shift
set -f
for folder in $PATH; do
  file=\${folder:-.}/$name
  [ -d "$file" ] && continue
  [ -x "$file" ] && exec ${env || '-a "$name" '}"$file" "$@"
  [ -e "$file" ] && code=126
done
echo "$name: $([ $code = 126 ] && echo cannot be executed || echo not found)" >&2
exit $code`;
}

/** The bus has a number that depends on its place among the devices: `$p` is what comes before a port's own. */
const port = (name: keyof typeof PORTS): string => `\${p}${PORTS[name]}`;

/** What the initramfs has for this job alone, as an archive to be put behind the kernel's. */
export function jobArchive(plan: MachinePlan): Buffer {
  const table = mountTable(plan);
  const streams = ['fd', 'fd/0', 'fd/1', 'fd/2'].map((target) => `/proc/self/${target}`);
  const devices = ['fd', 'stdin', 'stdout', 'stderr'].map((name, index): CpioEntry => ({ name: `${DEVICES}/${name}`.slice(1), kind: 'link', mode: 0o777, data: streams[index]! }));
  const folders = ['job', DEVICES.slice(1), `${DEVICES.slice(1)}/pts`, `${DEVICES.slice(1)}/shm`];
  return cpioArchive([
    ...folders.map((name): CpioEntry => ({ name, kind: 'folder' })),
    ...devices,
    ...table.entries,
    { name: TABLE.slice(1), kind: 'file', data: table.text },
    { name: JOB_INIT.slice(1), kind: 'file', data: init(plan, table.module) },
    { name: JOB.slice(1), kind: 'file', data: job(plan) },
    ...(plan.terminal ? [{ name: LOGIN.slice(1), kind: 'file', mode: 0o755, data: login(plan.terminal, plan.mark) } satisfies CpioEntry] : []),
  ]);
}

function init(plan: MachinePlan, module: string | null): string {
  return `b=${BUSYBOX}
for p in /dev/vport*p${PORTS.control}; do p=\${p%?}; done
exec 3<>${port('control')}
network() {
${plan.network ? network(plan) : '$b ip link set lo up'}
}
network & net=$!
echo ${HOSTNAME} >/proc/sys/kernel/hostname
$b cp -a ${DEVICES}/. /dev/
${module === null ? '' : `$b modprobe ${module}`}
$b mount -a -T ${TABLE} || end 'the file systems of the job cannot be mounted'
wait $net
echo ready >&3
read -r word now <&3
[ "$word" = go ] || $b reboot -f
$b date -s "@$now" >/dev/null
${control(plan)}
${plan.terminal ? runOnTerminal() : runOnPipes(plan.mark)}
$b sync
echo exit $code >&3
while :; do $b sleep 3600; done
`;
}

/** Files under /proc/sys say what the tools of busybox cannot. */
function network({ without }: MachinePlan): string {
  const { interface: link } = GUEST;
  const lines = (family: string, own: string, length: number, gateway: string): string =>
    [`addr add ${own}/${length} dev ${link}`, `route add ${gateway} dev ${link}`, `route add default via ${gateway} dev ${link}`].map((line) => `$b ip ${family} ${line}`).join('\n');
  const four = without.includes('network') ? lines('-4', '10.0.2.15', 32, '10.0.2.2') : lines('-4', GUEST.v4, 32, PLANE.v4);
  return `six=/proc/sys/net/ipv6/conf/${link}
[ -d $six ] && echo 0 >$six/accept_dad && echo 1 >$six/addr_gen_mode
$b ip link set lo up
$b ip link set ${link} up
${four}
if [ -d $six ]; then
${lines('-6', GUEST.v6, 128, PLANE.v6)}
fi`;
}

/**
 * Answers the host for as long as the command runs, which is the first child of its namespace's process 1. That one's
 * parent waits for the namespace, and is a child of process 1, or of the terminal's login.
 */
function control({ terminal }: MachinePlan): string {
  const down = Array<string>(terminal ? 4 : 2).fill('child $pid').join(' && ');
  return `child() { pid=; read -r pid rest </proc/$1/task/$1/children; [ -n "$pid" ]; }
target() {
try=0
while [ $((try += 1)) -lt 250 ]; do
  [ -e ${STARTED} ] && child 1 && set -- $pid $rest && for pid; do ${down} && return; done
  $b usleep 20000
done
return 1
}
control() {
while read -r word one two <&3; do
  case $word in
  signal) target && ${terminal ? '{ read -r stat </proc/$pid/stat; set -- ${stat##*) }; [ "$6" -gt 1 ] && kill -$one -$6 || kill -$one $pid; }' : 'kill -$one $pid'};;
  size) $b stty -F ${TERMINAL} cols $one rows $two;;
  unread) [ $one = stdout ] && kill -9 $o || kill -9 $e;;
  esac
done
$b reboot -f
} 2>/dev/null`;
}

/**
 * The ports can be opened only once, so that a command could not open /dev/stdout; with pipes between it can. Their
 * other ends end with the command's namespace, and then nothing of its output is left in them. The marks tell
 * the host that nothing is left in the ports either.
 */
function runOnPipes(mark: string): string {
  return `$b mkfifo /run/0 /run/1 /run/2
$b cat <${port('stdin')} >/run/0 &
$b cat </run/1 >${port('stdout')} & o=$!
$b cat </run/2 >${port('stderr')} & e=$!
control & # it knows of the processes above
$b unshare -m -p -f $b sh ${JOB} </run/0 >/run/1 2>/run/2
code=$?
wait $o $e
echo -n ${quoted(mark)} >${port('stdout')}
echo -n ${quoted(mark)} >${port('stderr')}`;
}

/** In the foreground, for what a shell starts in the background does not hear an interrupt. It ends with the machine. */
function runOnTerminal(): string {
  return `control &
$b telnetd -F -i -l ${LOGIN} <${port('stdin')} >${port('stdout')} 2>/dev/null
code=125`;
}

/** The terminal is held open until the host has read all of it. */
function login({ columns, rows }: NonNullable<MachinePlan['terminal']>, mark: string): string {
  return `#!${BUSYBOX} sh
b=${BUSYBOX}
$b stty sane cols ${columns} rows ${rows}
$b printf %s ${quoted(mark)}
$b unshare -m -p -f $b sh ${JOB}
code=$?
$b sync
echo exit $code >&3
$b stty sane
$b printf %s ${quoted(mark)}
while :; do $b sleep 3600; done
`;
}

function job(plan: MachinePlan): string {
  const variables = Object.entries(plan.environment).map(([name, value]) => ({ known: /^[a-z_]\w*$/i.test(name), text: `${name}=${value}` }));
  const environment = variables.filter(({ known }) => known).map(({ text }) => quoted(text));
  const odd = variables.filter(({ known }) => !known).map(({ text }) => text);
  const session = `$b setsid ${plan.terminal ? '-c ' : ''}$b chroot .`;
  return `b=${BUSYBOX}
$b mount -t proc proc ${ROOT}/proc
cd ${ROOT}
$b mount --move . /
: >${STARTED}
echo running >&3
exec 3>&- 4>&2 2>/dev/null # where the shell says of a command that it was killed
(exec 2>&4 4>&-; exec $b env -i ${environment.join(' ')} ${session} ${SHELL_IN_ROOT} -c ${quoted(enter(odd))} guest ${[plan.cwd, ...plan.command].map(quoted).join(' ')})
exit $?
`;
}

/** As a word of the shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
