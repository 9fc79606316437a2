/** `mentu-runtime exec` as a command: its streams, exit codes, signals and network modes, as a script around it sees them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf } from './stage/transfer.ts';
import { echo, Origin } from './stage/origin.ts';
import { Stage } from './stage/stage.ts';
import { until, type Run } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let stage: Stage;
before(async () => {
  stage = await Stage.open();
  stage.profile();
});
after(() => stage.close());

const exec = (...args: string[]): Promise<Run> => stage.workspace.run('mentu-runtime', ['exec', ...args]);

test('stdin goes in and ends; stdout is the command\'s alone', LIMIT, async () => {
  const { code, stdout, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--network', 'none', '--', 'sh', '-c', 'cat; echo err >&2'], { input: 'one\ntwo\0three' });
  assert.deepEqual([code, stdout, stderr], [0, 'one\ntwo\0three', 'err\n']);
});

test('a large stdin and stdout are whole, also for a reader that is slow', LIMIT, async () => {
  const size = 24 * 1024 * 1024;
  const child = stage.workspace.start('mentu-runtime', ['exec', '--network', 'none', '--', 'bash', '-c', `head -c ${size} /dev/zero | openssl enc -aes-128-ctr -K ${'07'.repeat(16)} -iv ${'00'.repeat(16)} | tee >(cat >&2)`]);
  const hash = createHash('sha256');
  const errors = createHash('sha256');
  child.stderr!.on('data', (chunk: Buffer) => errors.update(chunk));
  child.stdin!.end();
  await new Promise((resolve) => setTimeout(resolve, 700));
  child.stdout!.on('data', (chunk: Buffer) => hash.update(chunk));
  const [code] = (await once(child, 'close')) as [number];
  assert.deepEqual([code, hash.digest('hex'), errors.digest('hex')], [0, digestOf(size), digestOf(size)]);
});

for (const [what, script, code] of [
  ['0', 'true', 0],
  ['the command\'s own', 'exit 3', 3],
  ['126 where it is not executable', ['/etc/hostname'], 126],
  ['127 where it is not found', ['no-such-command'], 127],
  ['128+n where signal n ended it', 'kill -TERM $$', 143],
  ['137 where it killed itself', 'kill -KILL $$', 137],
] as const) {
  test(`the exit code is ${what}`, LIMIT, async () => {
    const run = await exec('--network', 'none', '--', ...(typeof script === 'string' ? ['sh', '-c', script] : script));
    assert.equal(run.code, code, run.stderr);
    assert.equal(run.stdout, '');
  });
}

test('125 for what is wrong before the command runs: no command, an unknown flag, key, engine, or file', LIMIT, async () => {
  stage.workspace.write('typo.json', { sandbox: { allowedDomain: [] } });
  for (const [args, message] of [
    [['--profile', 'profile.json'], /"?command"?/],
    [['--interceptr', '--', 'true'], /interceptr.*--interceptor/s],
    [['--profile', 'typo.json', '--', 'true'], /typo\.json:3.*allowedDomain/s],
    [['--profile', 'none.json', '--', 'true'], /none\.json/],
    [['--engine', 'nonesuch', '--', 'true'], /nonesuch/],
  ] as const) {
    const { code, stdout, stderr } = await exec(...args);
    assert.deepEqual([code, stdout], [125, ''], stderr);
    assert.match(stderr, message);
  }
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) {
  test(`${signal} to mentu-runtime is the command's to handle`, LIMIT, async () => {
    const name = signal.slice(3);
    const child = stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--json', '--profile', 'profile.json', '--', 'bash', '-c', `trap 'echo got ${name}; exit 7' ${name}; echo ready; while :; do sleep 0.05; done`]);
    let stdout = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    await until('the command runs', () => stdout === 'ready\n');
    child.kill(signal);
    const [code] = (await once(child, 'close')) as [number];
    assert.deepEqual([code, stdout], [7, `ready\ngot ${name}\n`]);
    assert.ok(lstatSync(join(stage.workspace.latest, 'summary.json')).isFile(), 'the job ended in order');
  });
}

test('a signal that the command does not handle ends it, with 128+n', LIMIT, async () => {
  const child = stage.workspace.start('mentu-runtime', ['exec', '--network', 'none', '--', 'bash', '-c', 'echo ready; exec sleep 60']);
  await once(child.stdout!, 'data');
  child.kill('SIGTERM');
  assert.equal((await once(child, 'close'))[0], 143);
});

test('the summary: for people on stderr, or one line of JSON; in both cases in summary.json', LIMIT, async () => {
  const people = await exec('--interceptor', '--profile', 'profile.json', '--', 'curl', '-sS', 'https://api.demo.test/');
  assert.equal(people.stdout, 'GET / 0\n');
  assert.match(people.stderr, /1 flow to 1 host and 2 look-ups, 0 denied.*api\.demo\.test 1.*bytes.*status.*2xx 1.*protocols.*dns 2, http\/2 1.*record.*\.mentu\/jobs\//s);
  const { stderr, stdout, summary } = await stage.workspace.job(['--profile', 'profile.json'], ['curl', '-sS', 'https://api.demo.test/']);
  assert.equal(stdout, 'GET / 0\n');
  assert.equal(stderr.split('\n').length, 2, 'one line');
  assert.deepEqual(JSON.parse(readFileSync(join(summary.directory, 'summary.json'), 'utf8')), summary);
  assert.deepEqual([summary.flows, summary.lookups, summary.status, summary.protocols, summary.hosts.map(({ host, flows }) => [host, flows]), summary.denied, summary.exit_code], [3, 2, { '2xx': 1 }, { 'http/2': 1, dns: 2 }, [['api.demo.test', 1]], 0, 0]);
});

test('the job folder is private, latest leads to it, and --job-dir names another', LIMIT, async () => {
  const { folder, summary } = await stage.workspace.job(['--profile', 'profile.json'], ['curl', '-sS', 'https://api.demo.test/']);
  assert.equal(readlinkSync(stage.workspace.path('.mentu/jobs/latest')), summary.job_id);
  for (const path of [folder, stage.workspace.path('.mentu'), stage.workspace.path('.mentu/jobs')]) assert.equal(lstatSync(path).mode & 0o777, 0o700, path);
  for (const file of ['flows.jsonl', 'summary.json']) assert.equal(lstatSync(join(folder, file)).mode & 0o777, 0o600, file);
  assert.equal(lstatSync(join(stage.workspace.home, 'cir.db')).mode & 0o777, 0o600);
  const other = await stage.workspace.job(['--profile', 'profile.json', '--job-dir', 'elsewhere/job'], ['curl', '-sS', 'https://api.demo.test/']);
  assert.equal(other.folder, stage.workspace.path('elsewhere/job'));
  assert.equal(other.flows.length, 1);
});

test('a symbolic link in place of .mentu, or of the job folder, is refused and not followed', LIMIT, async () => {
  const elsewhere = new Map([['.mentu', 'trap'], ['trap2', 'target']]);
  for (const [link, target] of elsewhere) {
    const folder = stage.workspace.path(`linked-${target}`);
    mkdirSync(join(folder, target), { recursive: true });
    symlinkSync(target, join(folder, link));
    const { code, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--interceptor', ...(link === '.mentu' ? [] : ['--job-dir', link]), '--', 'true'], { cwd: folder });
    assert.equal(code, 125, stderr);
    assert.match(stderr, /symbolic link/);
  }
});

test('--host runs on the host and says what does not hold there', LIMIT, async () => {
  const { code, stdout, stderr } = await exec('--host', '--interceptor', '--deny', 'evil.test', '--', 'sh', '-c', 'readlink /proc/self/ns/net; exit 5');
  assert.deepEqual([code, stdout.trim()], [5, readlinkSync('/proc/self/ns/net')]);
  assert.deepEqual(stderr.trimEnd().split('\n').map((line) => /--interceptor has no effect|lists do not apply/.exec(line)?.[0]), ['--interceptor has no effect', 'lists do not apply']);
});

test('lists without the interceptor are refused, for they would silently not hold', LIMIT, async () => {
  const { code, stdout, stderr } = await exec('--deny', 'evil.test', '--', 'echo', 'ran');
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /--interceptor/);
});

test('nat without the interceptor: a plain way out, with the same address guard and pins, and nothing recorded', LIMIT, async () => {
  const plain = await Origin.open(echo);
  try {
    const flags = stage.profile({ hosts: { 'plain.demo.test': plain.address } }, 'nat.json');
    const { code, stdout, stderr } = await exec(...flags, '--', 'sh', '-c', `curl -sS http://plain.demo.test/out; curl -sS --max-time 5 http://127.0.0.1:${plain.port}/loop >/dev/null 2>&1 || echo no loopback; curl -sS --max-time 5 http://10.255.255.1/private >/dev/null 2>&1 || echo no private; env | grep -c CA_BUNDLE`);
    assert.deepEqual([code, stdout], [1, 'GET /out 0\nno loopback\nno private\n0\n'], stderr);
    assert.deepEqual(plain.seen.map(({ path }) => path), ['/out']);
    assert.throws(() => lstatSync(join(stage.workspace.latest, 'flows.jsonl')));
  } finally {
    await plain.close();
  }
});

test('what only a capture does is said to have no effect without one', LIMIT, async () => {
  stage.workspace.write('idle.json', { interceptor: { keyLog: true, passthrough: ['a.test'], upstreamProxy: 'http://127.0.0.1:9' } });
  const { code, stdout, stderr } = await exec('--profile', 'idle.json', '--', 'echo', 'ran');
  assert.deepEqual([code, stdout, stderr], [0, 'ran\n', 'mentu: no effect without --interceptor: passthrough, keyLog, upstreamProxy.\n']);
});

test('networkMode none without the interceptor: no network at all', LIMIT, async () => {
  const seen = stage.origin.connections;
  const { stdout } = await exec('--network', 'none', '--profile', 'profile.json', '--', 'sh', '-c', 'curl -sS --max-time 5 https://api.demo.test/ 2>/dev/null || echo no name; curl -sS --max-time 5 https://203.0.113.7/ 2>/dev/null || echo no way');
  assert.equal(stdout, 'no name\nno way\n');
  assert.equal(stage.origin.connections, seen);
});

test('the guest can neither read nor write the job folder, .mentu or mentu.yaml inside a mount', LIMIT, async () => {
  stage.workspace.write('plain.txt', 'visible\n');
  mkdirSync(stage.workspace.path('deep/.mentu'), { recursive: true });
  stage.workspace.write('deep/.mentu/secret', 'secret\n');
  stage.workspace.write('deep/mentu.yaml', 'preset: audit\n');
  const flags = stage.profile({ mounts: [{ source: '.', destination: '/work' }] }, 'mount.json');
  const script = `
    cat /work/plain.txt; echo written > /work/new.txt
    for path in /work/.mentu /work/deep/.mentu /work/home; do
      ls -A $path 2>/dev/null | wc -l
      (echo x > $path/planted) 2>/dev/null && echo "wrote into $path"
    done
    cat /work/deep/mentu.yaml 2>/dev/null; (echo x > /work/deep/mentu.yaml) 2>/dev/null && echo wrote mentu.yaml
    (mkdir -p /work/sub && ln -s /etc /work/sub/.mentu) 2>/dev/null
    rm -rf /work/.mentu /work/deep/.mentu /work/deep/mentu.yaml 2>/dev/null; mv /work/.mentu /work/moved 2>/dev/null && echo moved; mv /work/deep /work/moved 2>/dev/null && echo moved the folder above
    pwd`;
  const job = await stage.workspace.job(flags, ['bash', '-c', script]);
  const lines = job.stdout.trimEnd().split('\n');
  assert.deepEqual(lines.filter((line) => !line.startsWith('moved the')), ['visible', '0', '0', '0', '/work'], job.stdout);
  assert.equal(readFileSync(stage.workspace.path('new.txt'), 'utf8'), 'written\n', 'the mount itself is the guest\'s to write');
  assert.ok(lstatSync(join(job.folder, 'summary.json')).isFile());
  assert.throws(() => lstatSync(stage.workspace.path('.mentu/planted')));
});

test('a mentu.yaml that a guest wrote into its mount reaches nothing until a person has trusted it', LIMIT, async () => {
  const folder = stage.workspace.path('cloned');
  mkdirSync(folder);
  const profile = stage.profile({ mounts: [{ source: 'cloned', destination: '/work' }] }, 'cloned.json')[1]!;
  const yaml = 'interceptor:\n  hosts:\n    api.demo.test: 127.0.0.1:1\n';
  const wrote = await exec('--profile', profile, '--', 'sh', '-c', 'cat > /work/mentu.yaml <<END\n' + yaml + 'END');
  assert.equal(wrote.code, 0, wrote.stderr);
  const run = (...args: string[]): Promise<Run> => stage.workspace.run('mentu-runtime', args, { cwd: folder });
  const refused = await run('exec', '--network', 'none', '--', 'echo', 'ran');
  assert.deepEqual([refused.code, refused.stdout], [125, ''], 'it sets hosts');
  assert.match(refused.stderr, /mentu\.yaml[^]*config trust/);
  assert.equal((await run('config', 'trust')).code, 0);
  assert.equal((await run('exec', '--network', 'none', '--', 'echo', 'ran')).stdout, 'ran\n');
  await exec('--profile', profile, '--', 'sh', '-c', 'echo "# changed" >> /work/mentu.yaml; rm -f /work/mentu.yaml');
  assert.equal(readFileSync(join(folder, 'mentu.yaml'), 'utf8'), yaml, 'now that it is there, it is out of the reach of guests');
  appendFileSync(join(folder, 'mentu.yaml'), '# changed\n');
  assert.equal((await run('exec', '--network', 'none', '--', 'echo', 'ran')).code, 125, 'the trust was in its content');
});

test('jobs side by side in one folder and one store keep to themselves, and none of a thousand flows is lost', LIMIT, async () => {
  const jobs = await Promise.all([1, 2, 3, 4].map((number) => stage.workspace.job(['--profile', 'profile.json'], ['curl', '-sS', '-Z', '-o', '/dev/null', `https://api.demo.test/job-${number}/[1-250]`])));
  for (const [at, { code, flows, lines, summary, stderr }] of jobs.entries()) {
    assert.equal(code, 0, stderr);
    const paths = flows.map(({ request }) => new URL(request!.url).pathname);
    assert.deepEqual(new Set(paths), new Set(Array.from({ length: 250 }, (_, number) => `/job-${at + 1}/${number + 1}`)));
    assert.deepEqual([flows.length, summary.flows - summary.lookups, summary.flows, new Set(lines.map(({ id }) => id)).size], [250, 250, lines.length, lines.length]);
    const signals = await stage.workspace.signals('--job', summary.job_id);
    assert.deepEqual(new Set(signals.map(({ id }) => id)), new Set(lines.map(({ id }) => `sig_${id}`)));
  }
});
