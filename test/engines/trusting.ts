/** The tests of clients that trust what their machine trusts: each reaches an origin whose certificate the job's CA has signed. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clientsOf } from './clients.ts';
import type { Client } from './clients.ts';
import type { TestedEngine } from './engines.ts';
import { ANSWER, Origin, REVISION } from './origin.ts';
import { StepFolder } from './steps.ts';

const ANSWERS = new RegExp(`${ANSWER}|${REVISION}\\srefs/heads/main`);

const CHECKS: readonly Client[] = [
  { name: 'bundles', script: 'for f in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do openssl crl2pkcs7 -nocrl -certfile $f | openssl pkcs7 -print_certs -noout | grep -q "Mentu  job Authority" && echo $f; done' },
  { name: 'policy', script: 'cat /etc/chromium/policies/managed/mentu.json' },
  { name: 'variables', script: 'for name in DENO_CERT CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS SSL_CERT_FILE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO AWS_CA_BUNDLE CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH; do [ -s "${!name}" ] && echo $name; done; echo $CURL_CA_BUNDLE; env | grep -ic _proxy= || true' },
];

/** The same steps in a guest that trusts the CA, and in one that does not. */
async function visit(engine: TestedEngine, origin: Origin, java: string, clients: readonly Client[], trusting: boolean): Promise<StepFolder> {
  const steps = new StepFolder([...clients, ...CHECKS], 15 * engine.patience);
  process.env['AWS_CA_BUNDLE'] = '/of/the/host';
  const { exit, stderr } = await origin.visit(engine, steps.script, trusting ? origin.authority : null, {
    env: { PATH: '/opt/node:/usr/local/bin:/usr/bin:/bin', CURL_CA_BUNDLE: '/etc/ssl/cert.pem' },
    limitMs: 45_000 * engine.patience,
    mounts: [...steps.mounts, { source: java, destination: '/opt/java', readOnly: true }],
  });
  delete process.env['AWS_CA_BUNDLE'];
  assert.deepEqual([exit.code, stderr], [0, '']);
  return steps;
}

/** Declares the tests of an engine. `chosen`: of the clients that the machine has. */
export function tryTrust(engine: TestedEngine, chosen: (client: Client) => boolean): void {
  describe(engine.name, () => {
    const origin = new Origin();
    const java = join(origin.folder, 'java');
    mkdirSync(java);
    const clients = clientsOf(java).filter(chosen);
    const proven: string[] = [];
    let trusting: StepFolder;
    let doubting: StepFolder;
    before(async () => {
      [trusting, doubting] = await Promise.all([visit(engine, origin, java, clients, true), visit(engine, origin, java, clients, false)]);
    });
    after(() => {
      trusting.close();
      doubting.close();
      origin.close();
      console.log(`The job's CA is trusted in a guest of ${engine.name}, and an origin not without it, by: ${proven.join(', ')}`);
    });

    for (const { name } of clients) {
      test(`${name} trusts the job's CA, and would not without it`, () => {
        const [with_, without] = [trusting.result(name), doubting.result(name)];
        assert.match(with_.stdout, ANSWERS, with_.stderr);
        assert.doesNotMatch(without.stdout, ANSWERS);
        if (name !== 'wget') assert.match(without.stderr + without.stdout, /certif|PKIX|verify/i, 'it is the certificate that it refuses');
        else assert.equal(without.code, 5, "wget's code for a failed verification");
        proven.push(name);
      });
    }

    test('every place where a bundle is looked for has one, with the CA in it, and none without', () => {
      assert.deepEqual(trusting.result('bundles').stdout.trim().split('\n'), ['/etc/ssl/certs/ca-certificates.crt', '/etc/ssl/cert.pem', '/etc/pki/tls/certs/ca-bundle.crt']);
      assert.equal(doubting.result('bundles').stdout, '');
      const [der = ''] = (JSON.parse(trusting.result('policy').stdout) as { CACertificates: string[] }).CACertificates;
      assert.equal(der, origin.authority.replace(/-----[^-]+-----|\s/g, ''));
    });

    test("every trust variable names a file, the profile's win, and the host's do not get in", () => {
      const lines = trusting.result('variables').stdout.trim().split('\n');
      assert.deepEqual(lines, ['DENO_CERT', 'CARGO_HTTP_CAINFO', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'GIT_SSL_CAINFO', 'AWS_CA_BUNDLE', 'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', 'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', '/etc/ssl/cert.pem', '0']);
      assert.deepEqual(doubting.result('variables').stdout.trim().split('\n'), ['/etc/ssl/cert.pem', '0']);
    });
  });
}
