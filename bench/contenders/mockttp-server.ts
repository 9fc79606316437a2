/** A mockttp proxy that passes everything through and writes JSON lines; a process of its own. Arguments: port, CA file to trust, record, directory for its CA. */
import { isUtf8 } from 'node:buffer';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateCACertificate, getLocal, type CompletedBody, type CompletedRequest } from 'mockttp';

const [port, trusted, record, directory] = process.argv.slice(2) as [string, string, string, string];
const authority = await generateCACertificate();
writeFileSync(join(directory, 'ca.pem'), authority.cert);

const server = getLocal({ https: { key: authority.key, cert: authority.cert }, http2: true, recordTraffic: false });
await server.forAnyRequest().thenPassThrough({ additionalTrustedCAs: [{ certPath: trusted }] });
await server.forAnyWebSocket().thenPassThrough({ additionalTrustedCAs: [{ certPath: trusted }] });

const lines = createWriteStream(record, { flags: 'a', highWaterMark: 1024 * 1024 });
const waiting = new Map<string, CompletedRequest>();
await server.on('request', (request) => void waiting.set(request.id, request));
await server.on('abort', (request) => void waiting.delete(request.id));
await server.on('response', async (response) => {
  const request = waiting.get(response.id);
  if (!request) return;
  waiting.delete(response.id);
  const line = JSON.stringify({
    timestamp: new Date(request.timingEvents.startTime).toISOString(),
    request: { method: request.method, url: request.url, http_version: request.httpVersion, headers: request.rawHeaders, ...textOf(request.body) },
    response: { status: response.statusCode, headers: response.rawHeaders, ...textOf(response.body) },
    latency_ms: (response.timingEvents.responseSentTimestamp ?? Number.NaN) - request.timingEvents.startTimestamp,
    tls_sni: request.destination.hostname,
  });
  lines.write(line + '\n');
});

await server.start(Number(port));
process.once('SIGTERM', async () => {
  await server.stop();
  lines.end(() => process.exit(0));
});

function textOf(body: CompletedBody): { body: string; body_encoding: 'utf8' | 'base64' } {
  const { buffer } = body;
  return isUtf8(buffer) ? { body: buffer.toString('utf8'), body_encoding: 'utf8' } : { body: buffer.toString('base64'), body_encoding: 'base64' };
}
