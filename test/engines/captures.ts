/** Flows of every kind, each made by a script of the guest, and what the record must say of them: the same in every engine. */
import { BARE_IPV4, BARE_IPV6, GUEST_NODE } from '../e2e/stage/stage.ts';

export interface Captured {
  readonly name: string;
  /** Its paths begin with `/key`; where there is none, its host does. */
  readonly key: string;
  readonly script: string;
  readonly stdout: string | RegExp;
  /** `METHOD URL http-version status outcome error`, or `kind SNI outcome error` of what is no HTTP. In the order of the requests. */
  readonly flows: readonly string[];
}

const API = 'https://api.demo.test';
/** One request to the echoing origin. */
const echoed = (name: string, key: string, script: string, { http = '1.1', method = 'GET', body = 0, url = `${API}/${key}`, stdout = `${method} /${key} ${body}\n` }: { http?: string; method?: string; body?: number; url?: string; stdout?: string | RegExp } = {}): Captured =>
  ({ name, key, script, stdout, flows: [`${method} ${url} ${http} 200 completed`] });
const s_client = `openssl s_client -quiet -verify_return_error -connect api.demo.test:443 2>/dev/null`;
const gone = /^(18|56|92)\n$/;

export const CAPTURES: readonly Captured[] = [
  echoed('curl over HTTP/1.1', 'h1', `curl -sS --http1.1 -d 'from curl' ${API}/h1`, { method: 'POST', body: 9 }),
  echoed('curl over HTTP/2', 'h2', `curl -sS --http2 -d 'from curl' ${API}/h2`, { method: 'POST', body: 9, http: '2' }),
  echoed('TLS 1.2', 'old', `curl -sS --tls-max 1.2 ${API}/old`, { http: '2' }),
  echoed('HTTP/1.0', 'zero', 'curl -sS -0 http://plain.demo.test/zero', { http: '1.0', url: 'http://plain.demo.test/zero' }),
  echoed('a body without a length', 'chunked', `echo streamed | curl -sS --http1.1 -T - ${API}/chunked`, { method: 'PUT', body: 9 }),
  echoed('Expect: 100-continue', 'expect', `curl -sS --http1.1 -H 'Expect: 100-continue' -d 0123456789 ${API}/expect`, { method: 'POST', body: 10 }),
  { name: 'HEAD, 204 and 304', key: 'empty', script: `curl -sSI ${API}/empty/head | head -n 1; curl -sS -w '%{http_code}' ${API}/empty/204 ${API}/empty/304`, stdout: /^HTTP\/2 200 \r\n204304$/, flows: [`HEAD ${API}/empty/head 2 200 completed`, `GET ${API}/empty/204 2 204 completed`, `GET ${API}/empty/304 2 304 completed`] },
  { name: 'a compressed response', key: 'gzip', script: `curl -sS --compressed ${API}/gzip`, stdout: 'unpacked\n', flows: [`GET ${API}/gzip 2 200 completed`] },
  { name: '4 MiB each way', key: 'large', script: `curl -sS ${API}/large/down | tee /tmp/down | wc -c; curl -sS -T /tmp/down ${API}/large/up`, stdout: '4194304\nPUT /large/up 4194304\n', flows: [`GET ${API}/large/down 2 200 completed`, `PUT ${API}/large/up 2 200 completed`] },
  { name: 'twenty at once over HTTP/2', key: 'many', script: `curl -sS -Z '${API}/many/[1-20]' | sort | uniq | wc -l`, stdout: '20\n', flows: Array.from({ length: 20 }, (_, index) => `GET ${API}/many/${index + 1} 2 200 completed`) },
  { name: 'two on one connection of HTTP/1.1', key: 'kept', script: `curl -sS --http1.1 ${API}/kept/1 ${API}/kept/2`, stdout: 'GET /kept/1 0\nGET /kept/2 0\n', flows: [`GET ${API}/kept/1 1.1 200 completed`, `GET ${API}/kept/2 1.1 200 completed`] },
  echoed('plain HTTP', 'plain', 'curl -sS http://plain.demo.test/plain', { url: 'http://plain.demo.test/plain' }),
  echoed('an odd port', 'odd', 'curl -sS https://api.demo.test:50123/odd', { url: 'https://api.demo.test:50123/odd', http: '2' }),
  echoed('a bare IPv4 address', 'four', `curl -sS https://${BARE_IPV4}/four`, { url: `https://${BARE_IPV4}/four`, http: '2' }),
  echoed('a bare IPv6 address', 'six', `curl -sS 'https://[${BARE_IPV6}]/six'`, { url: `https://[${BARE_IPV6}]/six`, http: '2' }),
  echoed('a name over IPv6', 'name-six', `curl -sS -6 ${API}/name-six`, { http: '2' }),
  echoed('wget', 'wget', `wget -qO- ${API}/wget`),
  echoed("Node's fetch", 'fetch', `${GUEST_NODE} /guest/fetch.mjs ${API}/fetch`, { http: '2' }),
  echoed("Python's urllib", 'urllib', `/usr/bin/python3 /guest/urllib_get.py ${API}/urllib`),
  echoed("Python's requests", 'requests', `/usr/bin/python3 /guest/requests_post.py ${API}/requests a=b`, { method: 'POST', body: 3 }),
  { name: "Java's two clients", key: 'java', script: `java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp /opt/classes Fetch ${API}/java/url ${API}/java/client`, stdout: 'GET /java/url 0\nGET /java/client 0\n', flows: [`GET ${API}/java/url 1.1 200 completed`, `GET ${API}/java/client 2 200 completed`] },
  echoed('openssl s_client with a request', 's_client', `printf 'GET /s_client HTTP/1.1\\r\\nHost: api.demo.test\\r\\nConnection: close\\r\\n\\r\\n' | ${s_client}`, { stdout: /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/s_client 0\n$/ }),
  { name: 'openssl s_client that only shakes hands', key: 'hands.demo.test', script: 'openssl s_client -verify_return_error -connect hands.demo.test:443 </dev/null 2>/dev/null | grep -om1 "Verify return code: 0"', stdout: 'Verify return code: 0\n', flows: ['tls hands.demo.test aborted no_request'] },
  {
    name: 'git clones', key: 'git', script: `git clone -q ${API}/git/repo.git /tmp/clone && cat /tmp/clone/file`, stdout: 'content of the clone\n',
    flows: [`GET ${API}/git/repo.git/info/refs 2 200 completed`, `POST ${API}/git/repo.git/git-upload-pack 2 200 completed`, `POST ${API}/git/repo.git/git-upload-pack 2 200 completed`],
  },
  ...([['1.1', 'events-one.demo.test'], ['2', 'events-two.demo.test']] as const).map(([http, host]): Captured => ({
    name: `events over HTTP/${http}, each sent after the one before it was acknowledged`, key: host, script: `${GUEST_NODE} /guest/acknowledge.mjs ${http} https://${host} 10`, stdout: '10 events\n',
    flows: [`GET https://${host}/events/10 ${http} 200 completed`, ...Array.from({ length: 10 }, (_, number) => `POST https://${host}/ack/${number} ${http} 200 completed`)],
  })),
  { name: 'a denied name', key: 'denied', script: 'curl -sS -o /dev/null -w "%{http_code} %header{x-mentu-violation}" https://evil.demo.test/denied | cut -c 1-7', stdout: '403 vio\n', flows: ['GET https://evil.demo.test/denied 2 403 denied denied'] },
  { name: 'a denied name in plain HTTP', key: 'plain-denied', script: 'curl -sS -o /dev/null -w "%{http_code}" http://evil.demo.test/plain-denied', stdout: '403', flows: ['GET http://evil.demo.test/plain-denied 1.1 403 denied denied'] },
  { name: 'an allowed name whose Host is a denied one', key: 'host', script: `curl -sS -o /dev/null -w "%{http_code}" -H 'Host: evil.demo.test' ${API}/host`, stdout: '403', flows: ['GET https://evil.demo.test/host 2 403 denied denied'] },
  { name: 'a private address', key: 'private', script: 'curl -sS -o /dev/null -w "%{http_code}" http://10.1.2.3/private', stdout: '403', flows: ['GET http://10.1.2.3/private 1.1 403 denied address_denied'] },
  ...(['1.1', '2'] as const).flatMap((http): Captured[] => [
    { name: `a client that goes away over HTTP/${http}`, key: `endless-${http}`, script: `curl -sSN --http${http} ${API}/endless-${http} 2>/dev/null | head -c 5`, stdout: 'more ', flows: [`GET ${API}/endless-${http} ${http} 200 aborted client_aborted`] },
    { name: `an origin that breaks off over HTTP/${http}`, key: `cut-${http}`, script: `curl -sS --http${http} -o /dev/null ${API}/cut-${http} 2>/dev/null; echo $?`, stdout: gone, flows: [`GET ${API}/cut-${http} ${http} 200 failed upstream_aborted`] },
  ]),
  { name: 'an origin that cannot be verified', key: 'stranger', script: 'curl -sS -o /dev/null -w "%{http_code}" https://stranger.demo.test/stranger', stdout: '502', flows: ['GET https://stranger.demo.test/stranger 2 502 failed upstream_certificate_invalid'] },
  { name: 'an origin that refuses', key: 'closed', script: 'curl -sS -o /dev/null -w "%{http_code}" http://closed.demo.test/closed', stdout: '502', flows: ['GET http://closed.demo.test/closed 1.1 502 failed connect_failed'] },
  { name: 'what is not decrypted', key: 'pass.demo.test', script: 'curl -sS --cacert /opt/stage/ca.pem https://pass.demo.test/passed', stdout: 'GET /passed 0\n', flows: ['tls pass.demo.test completed'] },
  { name: 'a name that is not there', key: 'nowhere', script: 'curl -sS https://nowhere.invalid/nowhere 2>/dev/null || echo $?', stdout: '6\n', flows: [] },
];
