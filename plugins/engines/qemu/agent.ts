/**
 * The guest's agent: shell scripts for the initramfs's busybox, written for one job and found in the share. The first
 * is read by process 1 in place of an init. It gives the guest what its own kernel has to make (folders in memory,
 * devices, addresses), waits for the word to go, runs the command and tells its exit code when all its output is out.
 */
import { HOSTNAME } from '../root/etc.ts';
import { GUEST, PLANE } from '../plane/addresses.ts';
import { JOB_SCRIPTS } from './kernel/initramfs.ts';
import { PORTS } from './machine.ts';
import type { MachinePlan } from './plan.ts';

export interface AgentScripts {
  /** Read by process 1. */
  readonly init: string;
  /** Process 1 of the command's own process and mount namespaces: with it ends whatever the command left behind. */
  readonly job: string;
}

/** The guest's busybox, as the initramfs has it, and as the command's root shows it. */
const BUSYBOX = '/bin/busybox';
/** Made right before the command is started. */
const STARTED = '/run/started';
const SHELL_IN_ROOT = '/run/.guest/sh';
/** The bus has a number that depends on its place among the devices: `$p` is what comes before a port's own. */
const port = (name: keyof typeof PORTS): string => `\${p}${PORTS[name]}`;

export function agentScripts(plan: MachinePlan): AgentScripts {
  return { init: init(plan), job: job(plan) };
}

function init(plan: MachinePlan): string {
  return `b=${BUSYBOX}
for p in /dev/vport*p${PORTS.control}; do p=\${p%?}; done
exec 3<>${port('control')}
${folders(plan)}
${plan.network ? network(plan) : '$b ip link set lo up'}
echo ${HOSTNAME} >/proc/sys/kernel/hostname
say() { echo "$*" >&3; }
say ready
read -r word now <&3
[ "$word" = go ] || $b reboot -f
$b date -s "@$now" >/dev/null
${control(plan)}
control &
${plan.terminal ? runOnTerminal(plan.terminal) : runOnPipes()}
$b sync
say exit $code
while :; do $b sleep 3600; done
`;
}

/** What lies in memory, and on it the job's mounts that lie below. */
function folders({ identity, mounts, without }: MachinePlan): string {
  const fresh = without.includes('root') ? [] : ['/tmp', '/run', '/var'];
  const all = [...fresh, identity.home];
  const covered = mounts.filter(({ destination }) => all.some((folder) => destination.startsWith(`${folder}/`)));
  const bind = covered.map(({ destination, directory }) => {
    const [from, to] = [quoted(`/share${destination}`), quoted(`/new${destination}`)];
    const make = directory ? `$b mkdir -p ${to}` : `$b mkdir -p ${quoted(`/new${destination}`.replace(/\/[^/]*$/, ''))} && : >${to}`;
    return `${make} && $b mount --bind ${from} ${to}`;
  });
  return [
    '$b mount --bind /share /new',
    ...fresh.map((folder) => `$b mount -t tmpfs -o mode=${folder === '/tmp' ? '1777' : '755'} ${folder} /new${folder}`),
    ...(fresh.length > 0 ? ['$b mkdir -p /new/var/lib /new/var/cache /new/var/log && $b mkdir -m 1777 /new/var/tmp && $b ln -s /run /new/var/run'] : []),
    `$b mount -t tmpfs -o mode=700 home ${quoted(`/new${identity.home}`)}`,
    ...bind,
    '$b mount -t sysfs sysfs /new/sys',
    '$b mkdir -p /dev/pts /dev/shm && $b mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts && $b mount -t tmpfs -o mode=1777 shm /dev/shm',
    '$b ln -sf /proc/self/fd /dev/fd; $b ln -sf /proc/self/fd/0 /dev/stdin; $b ln -sf /proc/self/fd/1 /dev/stdout; $b ln -sf /proc/self/fd/2 /dev/stderr',
    '$b mount --bind /dev /new/dev; $b mount --bind /dev/pts /new/dev/pts; $b mount --bind /dev/shm /new/dev/shm',
    `$b mkdir -p /new/run/.guest && : >/new${SHELL_IN_ROOT} && $b mount --bind ${BUSYBOX} /new${SHELL_IN_ROOT}`,
  ].join('\n');
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
 * Answers the host for as long as the command runs. \`$top\` is the process that waits for the command's namespace; the
 * command is the first child of that namespace's process 1.
 */
function control({ terminal }: MachinePlan): string {
  return `child() { pid=; read -r pid rest </proc/$1/task/$1/children; [ -n "$pid" ]; }
target() {
try=0
while [ $((try += 1)) -lt 250 ]; do
  [ -e ${STARTED} ] && child 1 && set -- $pid $rest && for top; do child $top && child $pid && return; done
  $b usleep 20000
done
return 1
}
control() {
while read -r word one two <&3; do
  case $word in
  signal) target && ${terminal ? '{ read -r stat </proc/$pid/stat; set -- ${stat##*) }; [ "$6" -gt 1 ] && kill -$one -$6 || kill -$one $pid; }' : 'kill -$one $pid'};;
  size) $b stty -F /dev/hvc0 cols $one rows $two;;
  unread) [ $one = stdout ] && kill -9 $o || kill -9 $e;;
  esac
done
$b reboot -f
} 2>/dev/null`;
}

/**
 * The ports can be opened only once, so that a command could not open /dev/stdout; with pipes between it can. Their
 * other ends end with the command's namespace, and then nothing of its output is left in them.
 */
function runOnPipes(): string {
  return `$b mkfifo /run/0 /run/1 /run/2
$b cat <${port('stdin')} >/run/0 &
$b cat </run/1 >${port('stdout')} & o=$!
$b cat </run/2 >${port('stderr')} & e=$!
$b unshare -m -p -f $b sh /share/${JOB_SCRIPTS}/job </run/0 >/run/1 2>/run/2
code=$?
wait $o $e`;
}

/** Setting a terminal waits for what is still to be written to it. */
function runOnTerminal({ columns, rows }: { columns: number; rows: number }): string {
  return `$b stty -F /dev/hvc0 sane cols ${columns} rows ${rows}
$b unshare -m -p -f $b sh /share/${JOB_SCRIPTS}/job </dev/hvc0 >/dev/hvc0 2>&1
code=$?
$b stty -F /dev/hvc0 sane`;
}

function job(plan: MachinePlan): string {
  const environment = Object.entries(plan.environment).map(([name, value]) => quoted(`${name}=${value}`));
  const session = `$b setsid ${plan.terminal ? '-c ' : ''}$b chroot .`;
  const enter = quoted('cd "$1" || exit 125; shift; exec "$@"');
  return `b=${BUSYBOX}
$b mount -t proc proc /new/proc
cd /new
$b mount --move . /
: >${STARTED}
echo running >&3
exec 3>&- 4>&2 2>/dev/null # where the shell says of a command that it was killed
(exec 2>&4 4>&-; exec $b env -i ${environment.join(' ')} ${session} ${SHELL_IN_ROOT} -c ${enter} guest ${[plan.cwd, ...plan.command].map(quoted).join(' ')})
exit $?
`;
}

/** As a word of the shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
