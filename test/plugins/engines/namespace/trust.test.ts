/** Every client that trusts what its machine trusts reaches an origin whose certificate the job's CA has signed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findTool } from '../../../../plugins/engines/tools.ts';
import { ANSWER, NAME, ORIGIN, Origin, REVISION } from './origin.ts';
import { shell } from './job.ts';
import type { JobResult } from './job.ts';

let origin: Origin;

before(() => {
  origin = new Origin();
  writeFileSync(
    join(origin.folder, 'Client.java'),
    `public class Client { public static void main(String[] a) throws Exception {
      System.out.print(new String(new java.net.URL("${ORIGIN}").openStream().readAllBytes())); } }`,
  );
});
after(() => origin.close());

function guest(script: string, caCertificate: string | null): Promise<JobResult> {
  return origin.visit(script, caCertificate, { mounts: [{ source: join(origin.folder, 'Client.java'), destination: '/opt/Client.java', readOnly: true }] });
}

/** Every Java of the machine, each once. */
const JAVAS = [...new Set(
  (existsSync('/usr/lib/jvm') ? readdirSync('/usr/lib/jvm') : []).map((home) => `/usr/lib/jvm/${home}/bin/java`).filter((file) => existsSync(file)).map((file) => realpathSync(file)),
)];
const CLIENTS: readonly (readonly [name: string, script: string])[] = [
  ['curl', `curl -sS ${ORIGIN}`],
  ['wget', `wget -qO- ${ORIGIN}`],
  ['openssl', `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -verify_quiet -verify_return_error -connect ${NAME}:443 -servername ${NAME}`],
  ['openssl by its folder', `unset SSL_CERT_FILE; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -no-CAfile -CApath /etc/ssl/certs -quiet -verify_quiet -verify_return_error -connect ${NAME}:443 -servername ${NAME}`],
  ['git', `git ls-remote ${ORIGIN}repository`],
  ['node', `node -e 'fetch("${ORIGIN}").then(async (r) => console.log(await r.text()))'`],
  ['python urllib', `/usr/bin/python3 -c 'import urllib.request; print(urllib.request.urlopen("${ORIGIN}").read().decode())'`],
  ['python requests', `/usr/bin/python3 -c 'import requests; print(requests.get("${ORIGIN}").text)'`],
  ...JAVAS.map((java) => [java, `${java} -Xshare:auto -XX:TieredStopAtLevel=1 /opt/Client.java`] as const),
];

const PRESENCE: Readonly<Record<string, string>> = {
  'python requests': "/usr/bin/python3 -c 'import requests'",
};

function present(name: string, script: string): boolean {
  const check = PRESENCE[name];
  const tool = /^(?:printf|unset)/.test(script) ? 'openssl' : script.split(' ')[0]!;
  if (tool.startsWith('/') ? !existsSync(tool) : tool !== 'node' && findTool(tool) === null) return false;
  if (check === undefined) return true;
  try {
    execFileSync('sh', ['-c', check], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

for (const [name, script] of CLIENTS) {
  test(`${name} trusts the job's CA, and would not without it`, { skip: !present(name, script) && 'not on this machine' }, async () => {
    const [trusting, doubting] = await Promise.all([guest(script, origin.authority), guest(script, null)]);
    assert.match(trusting.stdout, new RegExp(`${ANSWER}|${REVISION}\\srefs/heads/main`), trusting.stderr);
    assert.doesNotMatch(doubting.stdout, new RegExp(`${ANSWER}|${REVISION}`));
  });
}

test("the profile's variables win over the trust variables, and the host's do not get in", async () => {
  process.env['AWS_CA_BUNDLE'] = '/of/the/host';
  const { stdout } = await shell('echo $CURL_CA_BUNDLE $AWS_CA_BUNDLE $NODE_EXTRA_CA_CERTS', { caCertificate: origin.authority, env: { CURL_CA_BUNDLE: '/mine' } });
  const none = await shell('echo "[$AWS_CA_BUNDLE]"');
  delete process.env['AWS_CA_BUNDLE'];
  assert.equal(stdout, '/mine /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/mentu-job-ca.pem\n');
  assert.equal(none.stdout, '[]\n');
});

test('every place where a bundle is looked for has one, with the CA in it', async () => {
  const { stdout, exit } = await shell(
    'for f in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do openssl crl2pkcs7 -nocrl -certfile $f | openssl pkcs7 -print_certs -noout | grep -c "Mentu  job Authority"; done; cat /etc/chromium/policies/managed/mentu.json',
    { caCertificate: origin.authority },
  );
  assert.equal(exit.code, 0);
  const [first, second, third, policy = ''] = stdout.trim().split('\n');
  assert.ok([first, second, third].every((count) => count === '2' || count === '1'), stdout);
  const [der = ''] = (JSON.parse(policy) as { CACertificates: string[] }).CACertificates;
  assert.equal(origin.authority.replace(/-----[^-]+-----|\s/g, ''), der);
});
