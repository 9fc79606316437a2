/** How a run ends before its last step: signals, keys, kill -9, what it lacks, and what it is only asked about. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RunRecordFile } from '../../cli/recipe/run-record.ts';
import { Stage } from './stage/stage.ts';
import { Traces } from './stage/traces.ts';
import { flowsOf, until, type Run } from './stage/workspace.ts';

const LIMIT = { timeout: 90_000 };
let stage: Stage;
before(async () => {
  stage = await Stage.open();
  stage.profile();
});
after(() => stage.close());

const mentu = (...args: string[]): Promise<Run> => stage.workspace.run('mentu', args);
const latest = (): string => stage.workspace.path('.mentu/runs/latest');
const recordOf = (folder = latest()): RunRecordFile => JSON.parse(readFileSync(join(folder, 'recipe.json'), 'utf8')) as RunRecordFile;
const statesOf = (record: RunRecordFile): string[] => record.steps.map(({ state }) => state);
/** Says that it runs, then waits; a `trap` of its own where it is to end in order. */
const waiter = (trap?: string): string[] => ['bash', '-c', trap === undefined ? 'echo ready; exec sleep 60' : `${trap}; echo ready; while :; do sleep 0.05; done`];

async function signalled(recipe: object, signal: NodeJS.Signals): Promise<{ code: number; stdout: string; record: RunRecordFile }> {
  stage.workspace.write('signalled.json', recipe);
  const child = stage.workspace.start('mentu', ['run', './signalled.json', '--json']);
  let stdout = '';
  child.stdout!.on('data', (chunk) => (stdout += chunk));
  await until('the step runs', () => stdout.includes('ready\n'));
  child.kill(signal);
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, record: recordOf() };
}

for (const vm of [true, false]) {
  const where = vm ? 'in a guest' : 'on the host';

  test(`SIGINT ends the step ${where} and the run`, LIMIT, async () => {
    const { code, record } = await signalled({ vm, engine: 'namespace', steps: [{ args: waiter(), continueOnError: true }, { args: ['echo', 'next'] }] }, 'SIGINT');
    assert.deepEqual([code, record.state, record.exit_code, record.interrupted_by, statesOf(record)], [130, 'failed', 130, 'SIGINT', ['failed', 'skipped']]);
  });

  test(`a step ${where} that ends in order on SIGTERM has succeeded, and the run is ended all the same`, LIMIT, async () => {
    const { code, stdout, record } = await signalled({ vm, engine: 'namespace', steps: [{ args: waiter("trap 'echo in order; exit 0' TERM") }, { args: ['echo', 'next'] }] }, 'SIGTERM');
    assert.deepEqual([code, stdout, record.interrupted_by, statesOf(record)], [143, 'ready\nin order\n', 'SIGTERM', ['succeeded', 'skipped']]);
  });
}

test('kill -9 of the run: its file says what was done and what was under way, and nothing of the guest is left', LIMIT, async () => {
  const script = 'curl -sS https://api.demo.test/before; echo ready; sleep 60';
  stage.workspace.write('killed.json', { vm: true, engine: 'namespace', profile: 'profile.json', steps: [{ name: 'first', args: ['true'] }, { name: 'second', enableInterception: true, args: ['sh', '-c', script] }, { name: 'third', args: ['true'] }] });
  const child = stage.workspace.start('mentu', ['run', './killed.json']);
  let stdout = '';
  child.stdout!.on('data', (chunk) => (stdout += chunk));
  await until('the second step runs', () => stdout.includes('ready\n'));
  const traces = new Traces(child.pid!);
  await until('the flow is on the disk', () => flowsOf(join(latest(), '02-second')).length === 1);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await traces.gone();
  const record = recordOf();
  assert.deepEqual([record.state, record.exit_code, record.pid, statesOf(record)], ['running', null, child.pid, ['succeeded', 'running', 'pending']]);
  assert.deepEqual([record.steps[0]!.exit_code, record.steps[1]!.folder, record.steps[1]!.exit_code], [0, '02-second', null]);
});

test('on a terminal: Ctrl-C in a guest ends the run, and a host step after a guest step gets the keys', LIMIT, async () => {
  const onTerminal = async (recipe: object, steps: object[]): Promise<{ code: number; shown: string }> => {
    stage.workspace.write('keys.json', recipe);
    const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'stage/terminal.py'), join(import.meta.dirname, '../../cli/bin/mentu'), 'run', './keys.json'], {
      cwd: stage.workspace.folder,
      env: { ...process.env, MENTU_HOME: stage.workspace.home, TERM: 'xterm-256color' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify(steps));
    let shown = '';
    child.stdout.on('data', (chunk) => (shown += chunk));
    return { code: ((await once(child, 'close')) as [number])[0], shown };
  };
  const read = ['sh', '-c', 'stty -a | grep -o -- "-\\?icanon"; echo asks; read line; echo "got $line"'];
  const both = await onTerminal({ engine: 'namespace', steps: [{ vm: true, args: read }, { args: read }, { vm: true, args: waiter(), continueOnError: true }, { args: ['echo', 'next'] }] }, [
    { expect: 'asks' }, { send: 'one\n' }, { expect: 'got one' },
    { expect: 'asks' }, { send: 'two\n' }, { expect: 'got two' },
    { expect: 'ready' }, { send: '\x03' }, { expect: 'ended by SIGINT' },
  ]);
  assert.equal(both.code, 130, both.shown);
  assert.doesNotMatch(both.shown, /\nnext|-icanon/);
  const host = await onTerminal({ steps: [{ args: waiter(), continueOnError: true }, { args: ['echo', 'next'] }] }, [{ expect: 'ready' }, { send: '\x03' }, { expect: 'ended by SIGINT' }]);
  assert.equal(host.code, 130, host.shown);
});

test('what the recipe requires is checked before anything runs, and told together', LIMIT, async () => {
  stage.workspace.write('needs.json', { requires: { bins: ['sh', 'no-such-a', 'no-such-b'], env: ['NO_SUCH_C'] }, steps: [{ args: ['touch', 'ran'] }] });
  const before = recordOf().run_id;
  const { code, stdout, stderr } = await mentu('run', './needs.json');
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /needs\.json:2:15 \/requires: .*no-such-a, no-such-b.*NO_SUCH_C/);
  assert.ok(!existsSync(stage.workspace.path('ran')) && recordOf().run_id === before);
  assert.equal((await mentu('run', './needs.json', '--dry-run')).code, 125);
});

test('--dry-run says what would run where, and neither runs nor writes anything', LIMIT, async () => {
  const folder = stage.workspace.path('dry');
  mkdirSync(folder);
  stage.workspace.write('dry/d.json', { name: 'dry', steps: [{ name: 'a', args: ['touch', 'ran'], timeout: '90s' }, { name: 'b', vm: true, engine: 'namespace', enableInterception: true, args: ['sh', '-c', 'echo ${WORD} "x"'] }] });
  const dry = (...flags: string[]): Promise<Run> => stage.workspace.run('mentu', ['run', './d.json', '--dry-run', '--var', 'WORD=hello', ...flags], { cwd: folder });
  const { code, stdout, stderr } = await dry();
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(stdout.split('\n').map((line) => line.split(/ {2,}/)), [
    ['recipe dry (./d.json), 2 steps, 1 on the host'],
    ['STEP', 'WHERE', 'CAPTURED', 'TIMEOUT', 'COMMAND'],
    ['a', 'host', 'no', '1m30s', 'touch ran'],
    ['b', 'namespace', 'yes', '-', `sh -c 'echo hello "x"'`],
    [''],
  ]);
  const plan = JSON.parse((await dry('--json', '--from', 'b')).stdout) as { steps: { step: string; runs: boolean; engine: string | null; command: string[] }[] };
  assert.deepEqual(plan.steps.map(({ step, runs, engine }) => [step, runs, engine]), [['a', false, null], ['b', true, 'namespace']]);
  assert.ok(!existsSync(join(folder, '.mentu')) && !existsSync(join(folder, 'ran')));
});

test('mistakes in the arguments and in the recipe: 125, with what and where', LIMIT, async () => {
  stage.workspace.write('typo.json', { steps: [{ name: 'build', arg: ['true'] }] });
  stage.workspace.write('fine.json', { steps: [{ name: 'build', args: ['echo', '${X}'] }] });
  for (const [args, message] of [
    [['./typo.json'], /typo\.json:5:7 \/steps\/0\/arg: .*did you mean `args`/],
    [['./none.json'], /recipe \.?\/?none\.json cannot be read/],
    [['none'], /There is no recipe `none`/],
    [['./fine.json'], /fine\.json:7:9 \/steps\/0\/args\/1: The variable X has no value/],
    [['./fine.json', '--var', 'X=1', '--var', 'Y=1'], /--var gives Y/],
    [['./fine.json', '--var', 'X=1', '--from', 'biuld'], /--from.*did you mean "build"/],
    [[], /NAME\|FILE is missing/],
  ] as const) {
    const { code, stdout, stderr } = await mentu('run', ...args);
    assert.deepEqual([code, stdout], [125, ''], stderr);
    assert.match(stderr, message);
  }
});
