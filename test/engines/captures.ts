/** Flows of every kind, each made by a script of the guest, and what the record must say of them: the same in every engine. */
import { BARE_IPV4, BARE_IPV6, GUEST_NODE } from '../e2e/stage/stage.ts';

export interface Captured {
  readonly name: string;
  /** Its paths begin with `/key`; of flows without a path, it is the name of their server. */
  readonly key: string;
  readonly script: string;
  readonly stdout: string | RegExp;
  /** `METHOD URL http-version status outcome error`, or `kind SNI outcome error` of what is no HTTP. */
  readonly flows: readonly string[];
  /** Takes long where a processor is translated, and shows little of the engine. */
  readonly long?: true;
}

const API = 'https://api.demo.test';
/** The Node of the tests; a slow guest would try a second address family, and leave a connection that says nothing. */
const NODE = `${GUEST_NODE} --network-family-autoselection-attempt-timeout=20000`;
const S_CLIENT = 'openssl s_client -quiet -verify_return_error -connect api.demo.test:443 2>/dev/null';
/** curl says so of a transfer that was cut off. */
const CUT_OFF = /^(18|56|92)\n$/;
const status = '-o /dev/null -w "%{http_code}\\n"';
/** One request that the origin answers with its own method and path, and the length of its body. */
const echoed = (name: string, key: string, script: string, { http = '1.1', method = 'GET', body = 0 } = {}): Captured =>
  ({ name, key, script, stdout: `${method} /${key} ${body}\n`, flows: [`${method} ${API}/${key} ${http} 200 completed`] });

const CURL: readonly Captured[] = [
  {
    name: 'curl over HTTP/1.1, HTTP/2 and TLS 1.2', key: 'versions',
    script: `curl -sS --http1.1 -d 'from curl' https://one.demo.test/versions/h1 --next -sS --http2 -d 'from curl' ${API}/versions/h2 --next -sS --tls-max 1.2 --http1.1 https://old.demo.test/versions/old`,
    stdout: 'POST /versions/h1 9\nPOST /versions/h2 9\nGET /versions/old 0\n',
    flows: ['POST https://one.demo.test/versions/h1 1.1 200 completed', `POST ${API}/versions/h2 2 200 completed`, 'GET https://old.demo.test/versions/old 1.1 200 completed'],
  },
  {
    name: 'plain HTTP, an odd port, a bare IPv4 address, a bare IPv6 address, a name over IPv6', key: 'places',
    script: `curl -sS http://plain.demo.test/places/plain https://api.demo.test:50123/places/odd https://${BARE_IPV4}/places/four 'https://[${BARE_IPV6}]/places/six' --next -sS -6 ${API}/places/name-six`,
    stdout: ['plain', 'odd', 'four', 'six', 'name-six'].map((place) => `GET /places/${place} 0\n`).join(''),
    flows: [
      'GET http://plain.demo.test/places/plain 1.1 200 completed', 'GET https://api.demo.test:50123/places/odd 2 200 completed', `GET https://${BARE_IPV4}/places/four 2 200 completed`,
      `GET https://[${BARE_IPV6}]/places/six 2 200 completed`, `GET ${API}/places/name-six 2 200 completed`,
    ],
  },
  {
    name: 'HEAD, 204, 304, a compressed response, HTTP/1.0, a body without a length, Expect: 100-continue', key: 'kinds',
    script: `curl -sSI ${status} ${API}/kinds/head --next -sS -w '%{http_code}\\n' ${API}/kinds/204 ${API}/kinds/304 --next -sS --compressed ${API}/kinds/gzip --next -sS -0 http://plain.demo.test/kinds/zero --next -sS --http1.1 -H 'Expect: 100-continue' -d 0123456789 ${API}/kinds/expect; echo streamed | curl -sS --http1.1 -T - ${API}/kinds/chunked`,
    stdout: '200\n204\n304\nunpacked\nGET /kinds/zero 0\nPOST /kinds/expect 10\nPUT /kinds/chunked 9\n',
    flows: [
      `HEAD ${API}/kinds/head 2 200 completed`, `GET ${API}/kinds/204 2 204 completed`, `GET ${API}/kinds/304 2 304 completed`, `GET ${API}/kinds/gzip 2 200 completed`,
      'GET http://plain.demo.test/kinds/zero 1.0 200 completed', `POST ${API}/kinds/expect 1.1 200 completed`, `PUT ${API}/kinds/chunked 1.1 200 completed`,
    ],
  },
  { name: '4 MiB each way', key: 'large', script: `curl -sS ${API}/large/down | tee /tmp/down | wc -c; curl -sS -T /tmp/down ${API}/large/up`, stdout: '4194304\nPUT /large/up 4194304\n', flows: [`GET ${API}/large/down 2 200 completed`, `PUT ${API}/large/up 2 200 completed`] },
  { name: 'twenty at once over HTTP/2', key: 'many', script: `curl -sS -Z '${API}/many/[1-20]' | sort | uniq | wc -l`, stdout: '20\n', flows: Array.from({ length: 20 }, (_, index) => `GET ${API}/many/${index + 1} 2 200 completed`) },
  {
    name: 'a denied name, with TLS and without, as the Host of an allowed one, and a private address', key: 'denied',
    script: `curl -sS -w "%{http_code} %header{x-mentu-violation}\\n" -o /dev/null https://evil.demo.test/denied/name -o /dev/null http://evil.demo.test/denied/plain -o /dev/null http://10.1.2.3/denied/private --next -sS ${status} -H 'Host: evil.demo.test' ${API}/denied/host | cut -c 1-7`,
    stdout: '403 vio\n403 vio\n403 vio\n403\n',
    flows: ['GET https://evil.demo.test/denied/name 2 403 denied denied', 'GET http://evil.demo.test/denied/plain 1.1 403 denied denied', 'GET http://10.1.2.3/denied/private 1.1 403 denied address_denied', 'GET https://evil.demo.test/denied/host 2 403 denied denied'],
  },
  {
    name: 'an origin that cannot be verified, one that refuses, a name that is not there', key: 'failed',
    script: `curl -sS ${status} https://stranger.demo.test/failed/stranger -o /dev/null http://closed.demo.test/failed/closed; curl -sS https://nowhere.invalid/failed/nowhere 2>/dev/null || echo $?`,
    stdout: '502\n502\n6\n', flows: ['GET https://stranger.demo.test/failed/stranger 2 502 failed upstream_certificate_invalid', 'GET http://closed.demo.test/failed/closed 1.1 502 failed connect_failed'],
  },
  { name: 'what is not decrypted', key: 'pass.demo.test', script: 'curl -sS --cacert /opt/stage/ca.pem https://pass.demo.test/passed', stdout: 'GET /passed 0\n', flows: ['tls pass.demo.test completed'] },
  ...(['1.1', '2'] as const).flatMap((http): Captured[] => [
    { name: `a client that goes away over HTTP/${http}`, key: `endless-${http}`, script: `curl -sSN --http${http} ${API}/endless-${http} 2>/dev/null | head -c 5`, stdout: 'more ', flows: [`GET ${API}/endless-${http} ${http} 200 aborted client_aborted`] },
    { name: `an origin that breaks off over HTTP/${http}`, key: `cut-${http}`, script: `curl -sS --http${http} -o /dev/null ${API}/cut-${http} 2>/dev/null; echo $?`, stdout: CUT_OFF, flows: [`GET ${API}/cut-${http} ${http} 200 failed upstream_aborted`] },
  ]),
];

const OTHERS: readonly Captured[] = [
  echoed('wget', 'wget', `wget -qO- ${API}/wget`),
  { ...echoed("Node's fetch", 'fetch', `${NODE} /guest/fetch.mjs ${API}/fetch`, { http: '2' }), long: true },
  echoed("Python's urllib", 'urllib', `/usr/bin/python3 /guest/urllib_get.py ${API}/urllib`),
  { ...echoed("Python's requests", 'requests', `/usr/bin/python3 /guest/requests_post.py ${API}/requests a=b`, { method: 'POST', body: 3 }), long: true },
  { name: "Java's two clients", key: 'java', script: `java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp /opt/classes Fetch ${API}/java/url ${API}/java/client`, stdout: 'GET /java/url 0\nGET /java/client 0\n', flows: [`GET ${API}/java/url 1.1 200 completed`, `GET ${API}/java/client 2 200 completed`], long: true },
  { ...echoed('openssl s_client with a request', 's_client', `printf 'GET /s_client HTTP/1.1\\r\\nHost: api.demo.test\\r\\nConnection: close\\r\\n\\r\\n' | ${S_CLIENT}`), stdout: /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/s_client 0\n$/ },
  { name: 'openssl s_client that only shakes hands', key: 'hands.demo.test', script: 'openssl s_client -verify_return_error -connect hands.demo.test:443 </dev/null 2>/dev/null | grep -om1 "Verify return code: 0"', stdout: 'Verify return code: 0\n', flows: ['tls hands.demo.test aborted no_request'] },
  {
    name: 'git clones', key: 'git', script: `git clone -q -4 ${API}/git/repo.git /tmp/clone && cat /tmp/clone/file`, stdout: 'content of the clone\n',
    flows: [`GET ${API}/git/repo.git/info/refs 2 200 completed`, `POST ${API}/git/repo.git/git-upload-pack 2 200 completed`, `POST ${API}/git/repo.git/git-upload-pack 2 200 completed`],
  },
  ...([['1.1', 'events-one.demo.test'], ['2', 'events-two.demo.test']] as const).map(([http, host]): Captured => ({
    name: `events over HTTP/${http}, each sent after the one before it was acknowledged`, key: host, script: `${NODE} /guest/acknowledge.mjs ${http} https://${host} 10`, stdout: '10 events\n',
    flows: [`GET https://${host}/events/10 ${http} 200 completed`, ...Array.from({ length: 10 }, (_, number) => `POST https://${host}/ack/${number} ${http} 200 completed`)],
    ...(http === '1.1' ? { long: true } : {}),
  })),
];

export const CAPTURES: readonly Captured[] = [
  { name: 'one address family a connection', key: 'family', script: 'echo "happy-eyeballs-timeout-ms = 30000" >~/.curlrc', stdout: '', flows: [] },
  ...CURL,
  ...OTHERS,
];
