/** An interactive shell in a guest, on a terminal: job control, Ctrl-C and Ctrl-Z, size changes, the status line beside it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Stage } from './stage/stage.ts';
import { flowsOf } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
const RUNTIME = join(import.meta.dirname, '../../cli/bin/mentu-runtime');
let stage: Stage;
before(async () => {
  stage = await Stage.open();
  stage.profile();
});
after(() => stage.close());

type Step = { readonly send: string } | { readonly expect: string } | { readonly resize: readonly [rows: number, columns: number] };

async function onTerminal(args: readonly string[], steps: readonly Step[]): Promise<{ code: number; shown: string }> {
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'stage/terminal.py'), ...args], {
    cwd: stage.workspace.folder,
    env: { ...process.env, MENTU_HOME: stage.workspace.home, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(steps));
  let shown = '';
  child.stdout.on('data', (chunk) => (shown += chunk));
  const [code] = (await once(child, 'close')) as [number];
  return { code, shown };
}

/** Tells when it runs: a key that comes earlier is the shell's. */
const SLEEPER = "sh -c 'echo asleep; exec sleep 100'\n";
const shell = (...flags: string[]): string[] => [RUNTIME, 'exec', ...flags, '--profile', 'profile.json', '--', 'env', 'PS1=[\\W]$ ', 'bash', '--norc', '-i'];

test('an interactive bash: a terminal of its own, job control, signals by keys, its exit code', LIMIT, async () => {
  const { code, shown } = await onTerminal(shell(), [
    { expect: '\\]\\$ ' },
    { send: 'tty; stty size\n' }, { expect: '/dev/(pts/\\d+|console)\\r\\n24 80' },
    { send: SLEEPER }, { expect: '\\rasleep' }, { send: '\x1a' }, { expect: 'Stopped' },
    { send: 'jobs; bg\n' }, { expect: '(?s)Stopped.*exec sleep.*exec sleep.* &' },
    { send: 'kill -INT %1; wait %1; echo "waited $?"\n' }, { expect: 'waited 130' },
    { send: SLEEPER }, { expect: '\\rasleep' }, { send: '\x03' }, { expect: '\\^C' },
    { send: 'echo "code $?"\n' }, { expect: 'code 130' },
    { send: 'exit 9\n' },
  ]);
  assert.equal(code, 9, shown);
  assert.doesNotMatch(shown, /no job control|cannot set terminal process group/);
  assert.doesNotMatch(shown, /mentu:/, 'without a capture there is nothing to tell');
});

test('what the guest writes arrives as it is: no carriage return is added to a line feed', LIMIT, async () => {
  const { code, shown } = await onTerminal([RUNTIME, 'exec', '--profile', 'profile.json', '--', 'sh', '-c', "stty -opost; printf 'a\\nb\\r\\nc'; stty opost; echo; echo d"], []);
  assert.deepEqual([code, shown], [0, 'a\nb\r\nc\r\nd\r\n']);
});

test('Ctrl-C ends a command that would be run again after a failure, and its job', LIMIT, async () => {
  const command = [RUNTIME, 'exec', '--network', 'none', '--restart', 'on-failure', '--', 'sh', '-c', 'echo asleep; exec sleep 100'];
  const { code, shown } = await onTerminal(command, [{ expect: 'asleep' }, { send: '\x03' }]);
  assert.equal(code, 130, shown);
  assert.doesNotMatch(shown, /restart/);
  const failed = await onTerminal([...command.slice(0, -1), 'tty; exit 3'].map((word) => (word === 'on-failure' ? 'on-failure:1' : word)), []);
  assert.equal(failed.code, 3);
  assert.match(failed.shown, /\/dev\/\S+\r\nmentu: the command ended with exit code 3; restart 1 of 1 in 100ms\r\n\/dev\/\S+\r\n/, 'each run has a terminal');
});

test('the terminal is given back as it was', LIMIT, async () => {
  const script = `stty -a > before; ${RUNTIME} exec --network none -- true; stty -a > after; ${RUNTIME} exec --network none -- sh -c 'kill -9 $$'; stty -a | cmp - before && cmp before after && echo same`;
  const { shown } = await onTerminal(['bash', '-c', script], []);
  assert.match(shown, /same/);
});

test('a size change reaches the guest, as size and as SIGWINCH', LIMIT, async () => {
  const { code, shown } = await onTerminal(shell(), [
    { expect: '\\]\\$ ' },
    { send: 'trap \'echo changed to $(stty size)\' WINCH; echo set\n' }, { expect: '\\rset' },
    { resize: [40, 132] }, { send: '\n' }, { expect: 'changed to 40 132' },
    { send: 'exit\n' },
  ]);
  assert.equal(code, 0, shown);
});

test('with the interceptor: a status line while it runs, the summary after it, the flow in the record', LIMIT, async () => {
  const { code, shown } = await onTerminal(shell('--interceptor'), [
    { expect: '\\]\\$ ' },
    { send: 'curl -sS https://api.demo.test/from-terminal\n' }, { expect: 'GET /from-terminal 0' },
    { expect: 'mentu: 1 flow to 1 host and 2 look-ups' },
    { send: 'stty size\n' }, { expect: '2[34] 80' },
    { send: 'exit 4\n' },
    { expect: 'mentu: 1 flow to 1 host and 2 look-ups, 0 denied.*exit code 4' },
  ]);
  assert.equal(code, 4, shown);
  assert.deepEqual(flowsOf(stage.workspace.latest).map(({ request }) => request!.url), ['https://api.demo.test/from-terminal']);
});

test('Ctrl-C on a terminal whose output is elsewhere ends the command, and the job in order', LIMIT, async () => {
  const script = `${RUNTIME} exec --interceptor --profile profile.json -- bash -c 'echo ready >&2; sleep 60' | cat; echo "code \${PIPESTATUS[0]}"`;
  const { code, shown } = await onTerminal(['bash', '-c', `trap : INT; ${script}`], [{ expect: 'ready' }, { send: '\x03' }, { expect: 'code 130' }]);
  assert.equal(code, 0, shown);
});
