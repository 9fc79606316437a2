/** `mentu run`: the steps of a recipe in guests and on the host, captured or not, and the record of the run. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { RunRecordFile } from '../../cli/recipe/run-record.ts';
import { testKernelHome } from '../stage/kernel.ts';
import { Stage } from './stage/stage.ts';
import { flowsOf, until, type Run } from './stage/workspace.ts';

const LIMIT = { timeout: 110_000 };
let stage: Stage;
before(async () => {
  stage = await Stage.open();
  stage.profile();
  mkdirSync(join(stage.workspace.home, 'engines'), { recursive: true, mode: 0o700 });
  symlinkSync(await testKernelHome(), join(stage.workspace.home, 'engines/qemu'));
});
after(() => stage.close());

interface RecipeRun extends Run {
  readonly record: RunRecordFile;
  readonly folder: string;
}

/** `mentu run --json` of a recipe, written beside the profile. */
async function run(recipe: object, ...flags: string[]): Promise<RecipeRun> {
  stage.workspace.write('recipe.json', recipe);
  const result = await stage.workspace.run('mentu', ['run', './recipe.json', '--json', ...flags], { timeout: 100_000 });
  const line = result.stderr.trimEnd().split('\n').findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`no record; exit ${result.code}\n${result.stdout}\n${result.stderr}`);
  const record = JSON.parse(line) as RunRecordFile;
  return { ...result, record, folder: record.directory };
}

const statesOf = (record: RunRecordFile): string[] => record.steps.map(({ state }) => state);
const curl = (path: string): string[] => ['curl', '-sS', `https://api.demo.test${path}`];

for (const [engine, boundary] of [['qemu', 'kernel'], ['namespace', 'namespace']] as const) {
  test(`the example of a step in a guest (${engine}): captured, recorded, in CIR under its step`, LIMIT, async () => {
    // A virtual machine is what "vm" takes by itself.
    const named = engine === 'qemu' ? {} : { engine };
    const { code, stdout, stderr, record, folder } = await run({ name: 'example', ...named, profile: 'profile.json', steps: [{ name: 'analyze', vm: true, enableInterception: true, args: curl('/in-guest') }] });
    assert.deepEqual([code, stdout], [0, 'GET /in-guest 0\n'], stderr);
    const [step] = record.steps;
    assert.deepEqual([record.state, record.flows, step!.state, step!.where, step!.engine, step!.boundary, step!.flows, step!.exit_code], ['succeeded', 3, 'succeeded', 'guest', engine, boundary, 3, 0]);
    const flows = flowsOf(join(folder, step!.folder!));
    assert.deepEqual(flows.map(({ request, annotations }) => [request!.url, annotations['recipe']]), [['https://api.demo.test/in-guest', { recipe: 'example', run: record.run_id, step: 'analyze' }]]);
    const signals = await stage.workspace.signals('--where', `kind=http and step=analyze and run=${record.run_id}`);
    assert.deepEqual(signals.map(({ type, data }) => [type, data['step'], data['recipe'], data['job']]), [['network_flow', 'analyze', 'example', step!.job_id]]);
    assert.deepEqual((await stage.workspace.signals('--where', `tags=analyze and run=${record.run_id}`)).length, 3);
    assert.equal(JSON.parse(readFileSync(join(folder, step!.folder!, 'summary.json'), 'utf8')).boundary, boundary);
  });
}

test('"vm": true without an engine: the switched one, else QEMU where it is set up, else a namespace, and then one line says so', LIMIT, async () => {
  stage.workspace.write('vm.json', { vm: true, steps: [{ name: 'a', args: ['true'] }, { name: 'b', args: ['true'] }, { name: 'c', vm: false, args: ['true'] }] });
  const plan = async (home: string): Promise<{ engines: unknown[]; stderr: string }> => {
    const { stdout } = await stage.workspace.run('mentu', ['run', './vm.json', '--dry-run', '--json'], { env: { MENTU_HOME: home } });
    const { steps, notes } = JSON.parse(stdout) as { steps: { engine: string | null }[]; notes: string[] };
    return { engines: steps.map(({ engine }) => engine), stderr: notes.join('\n') };
  };
  assert.deepEqual(await plan(stage.workspace.home), { engines: ['qemu', 'qemu', null], stderr: '' });
  const bare = stage.workspace.path('bare-home');
  const { engines, stderr } = await plan(bare);
  assert.deepEqual(engines, ['namespace', 'namespace', null]);
  assert.match(stderr, /^mentu: a, b: run in a namespace, which shares the host's kernel, and not in a virtual machine:.*engine setup qemu[^\n]*$/);
  await stage.workspace.run('mentu-runtime', ['engine', 'switch', 'namespace'], { env: { MENTU_HOME: bare } });
  assert.deepEqual(await plan(bare), { engines: ['namespace', 'namespace', null], stderr: '' });
});

test('the same with "vm": false: the command runs on the host, no flow, and one line says why', LIMIT, async () => {
  const { code, stdout, stderr, record, folder } = await run({ steps: [{ name: 'analyze', vm: false, enableInterception: true, args: ['readlink', '/proc/self/ns/net'] }] });
  assert.deepEqual([code, stdout.trim()], [0, readlinkSync('/proc/self/ns/net')]);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.length, 2, stderr);
  assert.match(lines[0]!, /^mentu: analyze: enableInterception has no effect: the step runs on the host/);
  assert.deepEqual([record.flows, record.steps[0]!.where, record.steps[0]!.flows, record.steps[0]!.engine], [0, 'host', null, null]);
  assert.ok(!existsSync(join(folder, '01-analyze', 'flows.jsonl')));
  assert.equal(JSON.parse(readFileSync(join(folder, '01-analyze', 'summary.json'), 'utf8')).exit_code, 0);
  assert.deepEqual(await stage.workspace.signals('--where', `run=${record.run_id}`), []);
});

test('steps one after the other: the violation of one is its own, and ingesting its record again adds nothing', LIMIT, async () => {
  stage.profile({ sandbox: { deniedDomains: ['evil.test'] } }, 'strict.json');
  const { code, record, folder } = await run({
    vm: true,
    engine: 'namespace',
    profile: 'profile.json',
    steps: [
      { name: 'fetch', enableInterception: true, args: curl('/one') },
      { name: 'stray', enableInterception: true, profile: 'strict.json', args: ['sh', '-c', 'curl -sS https://evil.test/ -o /dev/null; curl -sSo /dev/null https://api.demo.test/two'] },
      { name: 'plain', args: ['true'] },
    ],
  });
  assert.equal(code, 0);
  assert.deepEqual(record.steps.map(({ flows, denied }) => [flows, denied]), [[3, 0], [6, 1], [null, null]]);
  assert.deepEqual([record.flows, record.denied], [9, 1]);
  const ofRun = (): Promise<{ type: string; data: Record<string, unknown> }[]> => stage.workspace.signals('--where', `run=${record.run_id}`);
  const signals = await ofRun();
  assert.deepEqual(signals.filter(({ data }) => data['kind'] !== 'dns').map(({ type, data }) => `${type} ${data['step']}`).sort(), ['network_flow fetch', 'network_flow stray', 'network_flow stray', 'sandbox_violation stray']);
  const { stdout } = await stage.workspace.run('mentu', ['cir', 'ingest', join(folder, '02-stray')]);
  assert.match(stdout, /6 flows read, 0 signals new/);
  const elsewhere = { MENTU_HOME: stage.workspace.path('other-home') };
  await stage.workspace.run('mentu', ['cir', 'ingest', join(folder, '01-fetch'), join(folder, '02-stray')], { env: elsewhere });
  const anew = await stage.workspace.run('mentu', ['cir', 'query', '--format', 'json', '--where', `run=${record.run_id}`], { env: elsewhere });
  assert.deepEqual(JSON.parse(anew.stdout), signals, 'the record gives the same rows');
});

test('a failed step stops the run with its exit code; with continueOnError the run goes on', LIMIT, async () => {
  const steps = (continueOnError: boolean): object[] => [{ name: 'a', args: ['sh', '-c', 'echo a; exit 7'], continueOnError }, { name: 'b', vm: true, engine: 'namespace', args: ['sh', '-c', 'echo b; exit 9'] }, { name: 'c', args: ['echo', 'c'] }];
  const stopped = await run({ steps: steps(false) });
  assert.deepEqual([stopped.code, stopped.stdout, stopped.record.state, statesOf(stopped.record)], [7, 'a\n', 'failed', ['failed', 'skipped', 'skipped']]);
  const gone = await run({ steps: steps(true) });
  assert.deepEqual([gone.code, gone.stdout, statesOf(gone.record), gone.record.steps.map(({ exit_code }) => exit_code)], [9, 'a\nb\n', ['failed', 'failed', 'skipped'], [7, 9, null]]);
  const all = await run({ steps: [{ args: ['false'], continueOnError: true }, { args: ['true'] }] });
  assert.deepEqual([all.code, all.record.state, statesOf(all.record)], [0, 'succeeded', ['failed', 'succeeded']]);
});

test('a command that is not there and an engine that fails are failures of their step', LIMIT, async () => {
  stage.workspace.write('bad-mount.json', { mounts: [{ source: '/proc', destination: '/x' }] });
  const { code, stderr, record } = await run({ engine: 'namespace', steps: [{ args: ['no-such-command'], continueOnError: true }, { vm: true, args: ['no-such-command'], continueOnError: true }, { vm: true, profile: 'bad-mount.json', args: ['true'] }] });
  assert.equal(code, 125, stderr);
  assert.deepEqual(record.steps.map(({ exit_code }) => exit_code), [127, 127, 125]);
  assert.match(record.steps[2]!.error!.code, /^engine_/);
  assert.match(stderr, /step-3: .*engine_/);
});

test('a timeout ends a step, on the host with all that it started, with exit code 124', LIMIT, async () => {
  const { code, stdout, record } = await run({
    engine: 'namespace',
    steps: [
      { timeout: '500ms', args: ['sh', '-c', 'echo $$; sleep 61.5; echo late'], continueOnError: true },
      { vm: true, timeout: 1, args: ['sh', '-c', 'sleep 61; echo late'], continueOnError: true },
      { timeout: '1m', args: ['echo', 'in time'] },
    ],
  });
  assert.deepEqual(record.steps.map(({ exit_code, timed_out }) => [exit_code, timed_out]), [[124, true], [124, true], [0, false]]);
  assert.equal(code, 0);
  const [pid, ...rest] = stdout.trim().split('\n');
  assert.deepEqual(rest, ['in time']);
  await until('the whole group is gone', () => !groupRuns(Number(pid)), 5000);
  assert.ok(record.steps.every(({ duration_ms }) => duration_ms! < 20_000));
});

for (const engine of ['namespace', 'qemu']) {
  test(`the workspace: the directory of host steps, and /workspace of guests without mounts (${engine})`, LIMIT, async () => {
    mkdirSync(stage.workspace.path(`project-${engine}/.mentu`), { recursive: true });
    const steps = [{ args: ['sh', '-c', 'pwd; ls -A .mentu | wc -l; echo made > made.txt'] }, { vm: false, args: ['sh', '-c', 'pwd; cat made.txt'] }];
    const { stdout, stderr } = await run({ workspace: `project-${engine}`, vm: true, engine, steps });
    assert.deepEqual(stdout.split('\n'), ['/workspace', '0', stage.workspace.path(`project-${engine}`), 'made', ''], stderr);
  });
}

test('names with any characters: folders that are safe, signals and --from that know the name', LIMIT, async () => {
  const names = ['../../etc', 'a/b\0c\n\u001b[31m', '…', 'x'.repeat(150), '.hidden', '💥 boom'];
  const { code, record, folder } = await run({ steps: names.map((name) => ({ name, args: ['true'] })) });
  assert.equal(code, 0);
  assert.deepEqual(record.steps.map(({ name }) => name), names);
  assert.deepEqual(record.steps.map(({ folder }) => folder), ['01-etc', '02-a-b-c-31m', '03', `04-${'x'.repeat(48)}`, '05-hidden', '06-boom']);
  for (const { folder: name } of record.steps) assert.equal(lstatSync(join(folder, name!)).mode & 0o777, 0o700);
  const from = await run({ steps: names.map((name) => ({ name, args: ['true'] })) }, '--from', '…');
  assert.deepEqual(statesOf(from.record), ['skipped', 'skipped', 'succeeded', 'succeeded', 'succeeded', 'succeeded']);
});

test('the folder of a run is private, latest leads to it, and no symbolic link is followed', LIMIT, async () => {
  const { record, folder } = await run({ steps: [{ args: ['true'] }] });
  assert.equal(readlinkSync(stage.workspace.path('.mentu/runs/latest')), record.run_id);
  assert.deepEqual([lstatSync(folder).mode & 0o777, lstatSync(join(folder, 'recipe.json')).mode & 0o777], [0o700, 0o600]);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'recipe.json'), 'utf8')), record);
  const trap = stage.workspace.path('trap');
  mkdirSync(join(trap, '.mentu'), { recursive: true });
  mkdirSync(join(trap, 'target'));
  symlinkSync('../target', join(trap, '.mentu/runs'));
  const { code, stderr } = await stage.workspace.run('mentu', ['run', '../recipe.json'], { cwd: trap });
  assert.equal(code, 125);
  assert.match(stderr, /symbolic link.*run_folder_unsafe/);
});

test('a plugin of a stranger sees the step that it runs in', LIMIT, async () => {
  stage.workspace.write('stepper.mjs', `export default { name: 'stepper', setup({ job, hooks }) { hooks.onRequest.tap('stepper', () => ({ action: 'answer', rule: 'step', status: 200, body: job.step.name + ' of ' + job.step.recipe })); } };`);
  stage.workspace.write('own.yaml', 'extends: standard\nplugins: [./stepper.mjs]\n');
  const { stdout, stderr } = await run({ name: 'mine', profile: 'profile.json', steps: [{ name: 'look', vm: true, engine: 'namespace', enableInterception: true, preset: './own.yaml', args: curl('/') }] });
  assert.equal(stdout, 'look of mine', stderr);
});

test('a guest that can write the plugin of a later step, its profile and the recipe changes none of them', LIMIT, async () => {
  const folder = 'open/plugin';
  mkdirSync(stage.workspace.path(folder), { recursive: true });
  const answers = (text: string): string => `export default { name: 'mine', setup({ hooks }) { hooks.onRequest.tap('mine', () => ({ action: 'answer', rule: 'mine', status: 200, body: '${text}' })); } };`;
  stage.workspace.write(`${folder}/index.js`, answers('ours'));
  stage.workspace.write(`${folder}/package.json`, '{"type": "module"}');
  stage.workspace.write('open/own.yaml', 'extends: standard\nplugins: [./plugin]\n');
  stage.workspace.write('open/p.json', { env: { WHOSE: 'ours' }, interceptor: { hosts: { 'any.test': '127.0.0.1:9' } } });
  const script = `cd /workspace && echo "${answers('theirs')}" | tee plugin/index.js > plugin/index.ts; echo '{"env": {"WHOSE": "theirs"}}' > p.json; echo 'plugins: []' > own.yaml; ls plugin`;
  stage.workspace.write('open/recipe.json', {
    workspace: '.',
    vm: true,
    engine: 'namespace',
    steps: [
      { args: ['sh', '-c', script] },
      { enableInterception: true, preset: './own.yaml', profile: 'p.json', args: ['sh', '-c', 'curl -sS http://any.test/; echo " $WHOSE"'] },
    ],
  });
  const { code, stdout, stderr } = await stage.workspace.run('mentu', ['run', './open/recipe.json']);
  assert.deepEqual([code, stdout], [0, 'index.js\nindex.ts\npackage.json\nours ours\n'], stderr);
  assert.match(readFileSync(stage.workspace.path(folder, 'index.ts'), 'utf8'), /theirs/, 'the guest did write');
});

test('a guest that puts a link in the place of what a later step mounts leads it nowhere', LIMIT, async () => {
  mkdirSync(stage.workspace.path('shared/data'), { recursive: true });
  const outside = stage.workspace.path('outside');
  mkdirSync(outside);
  stage.workspace.write('outside/secret', 'secret\n');
  stage.workspace.write('data.json', { mounts: [{ source: 'shared/data', destination: '/data' }] });
  const { code, stdout, stderr, record } = await run({
    workspace: 'shared',
    vm: true,
    engine: 'namespace',
    steps: [{ args: ['sh', '-c', `rmdir data && ln -s ${outside} data`] }, { profile: 'data.json', args: ['cat', '/data/secret'], continueOnError: true }, { vm: false, args: ['true'] }],
  });
  assert.deepEqual([code, stdout, record.steps[1]!.error?.code, record.steps[1]!.exit_code], [0, '', 'run_path_moved', 125], stderr);
  assert.match(stderr, /step-2: .*shared\/data leads to .*outside/);
});

function groupRuns(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}
