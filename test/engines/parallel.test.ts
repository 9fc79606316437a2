/** Many jobs at once by `mentu-runtime exec`, in one folder and one store: names, answers, CAs, flows and folders stay each job's own. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Origin } from '../e2e/stage/origin.ts';
import { Stage } from '../e2e/stage/stage.ts';
import type { Job } from '../e2e/stage/workspace.ts';
import { ENGINES } from './engines.ts';

const REQUESTS = 5;
/** More than the jobs of a processor's share, so that they overlap for seconds. */
const LIMIT_MS = 150_000;

for (const engine of ENGINES) {
  describe(`${engine.name}: ${engine.jobsAtOnce} jobs at once`, () => {
    const numbers = Array.from({ length: engine.jobsAtOnce }, (_, index) => index + 1);
    let stage: Stage;
    let origins: Origin[];
    let jobs: Job[];

    before(async () => {
      stage = await Stage.open();
      await engine.furnish(stage.workspace.home);
      origins = await Promise.all(numbers.map((number) => Origin.open((_, response) => void response.end(`origin ${number}\n`), stage.identity)));
      jobs = await Promise.all(numbers.map((number) => {
        const { address } = origins[number - 1]!;
        // One name is every job's and leads elsewhere in each; one is this job's alone.
        const flags = stage.profile({ engine: engine.name, ...engine.profile, hosts: { 'same.demo.test': address, [`own-${number}.demo.test`]: address } }, `job-${number}.json`);
        const other = (number % engine.jobsAtOnce) + 1;
        const script = `
          set -C; echo ${number} >/tmp/mine; echo ${number} >/dev/shm/mine
          echo 'ipv4' >~/.curlrc # a slow guest would try both families
          curl -sS 'https://same.demo.test/same/${number}/[1-${REQUESTS}]' https://own-${number}.demo.test/own/${number}
          curl -sS https://own-${other}.demo.test/other/${number} 2>/dev/null || echo "code $?"
          openssl x509 -in /etc/ssl/certs/mentu-job-ca.pem -noout -fingerprint -sha256
          cat /tmp/mine /dev/shm/mine`;
        return stage.workspace.job(flags, ['bash', '-c', script], { timeout: LIMIT_MS });
      }));
    });
    after(async () => {
      await stage.close();
      await Promise.all(origins.map((origin) => origin.close()));
    });

    test('each reaches its own origin by the name that all have, and no name of another', () => {
      for (const number of numbers) {
        const { code, stdout, stderr } = jobs[number - 1]!;
        assert.equal(code, 0, stderr);
        const lines = stdout.trim().split('\n');
        assert.deepEqual([...lines.slice(0, REQUESTS + 2), ...lines.slice(-2)], [...Array<string>(REQUESTS + 1).fill(`origin ${number}`), 'code 6', `${number}`, `${number}`]);
      }
    });

    test('each origin has seen the requests of its own job alone', () => {
      for (const number of numbers) {
        const paths = [...Array.from({ length: REQUESTS }, (_, index) => `/same/${number}/${index + 1}`), `/own/${number}`];
        assert.deepEqual(origins[number - 1]!.seen.map(({ path }) => path), paths);
      }
    });

    test('each has a CA of its own', () => {
      const fingerprints = jobs.map(({ stdout }) => /Fingerprint=(\S+)/.exec(stdout)?.[1]);
      assert.ok(fingerprints.every(Boolean));
      assert.equal(new Set(fingerprints).size, numbers.length);
    });

    test('each record, folder and set of signals holds its own flows, and all of them', async () => {
      assert.equal(new Set(jobs.map(({ folder }) => folder)).size, numbers.length);
      assert.deepEqual(readdirSync(stage.workspace.path('.mentu/jobs')).filter((name) => name !== 'latest').sort(), jobs.map(({ folder }) => basename(folder)).sort());
      const all = await stage.workspace.signals('--type', 'network_flow');
      for (const number of numbers) {
        const { flows, lines, summary } = jobs[number - 1]!;
        assert.deepEqual([flows.length, summary.flows, summary.flows - summary.lookups, summary.engine], [REQUESTS + 1, lines.length, REQUESTS + 1, engine.name]);
        for (const { request, job_id } of flows) {
          assert.match(new URL(request!.url).pathname, new RegExp(`^/(?:same|own)/${number}(?:/|$)`));
          assert.equal(job_id, summary.job_id);
        }
        const own = all.filter(({ data }) => data['job'] === summary.job_id);
        assert.deepEqual(own.map(({ id }) => id).sort(), lines.map(({ id }) => `sig_${id}`).sort());
      }
      assert.equal(all.length, jobs.flatMap(({ lines }) => lines).length);
    });
  });
}
