import { parseConnectAnswer } from '../../../core/upstream/http-tunnel.ts';
import { parseSocksReply } from '../../../core/upstream/socks-tunnel.ts';
import type { FuzzTarget } from '../target.ts';

const connect = Buffer.from('HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\nhello');
const refused = Buffer.from('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="a"\r\nContent-Length: 0\r\n\r\n');
const ipv4 = Buffer.from([5, 0, 0, 1, 10, 0, 0, 1, 0x1f, 0x90]);
const name = Buffer.from([5, 2, 0, 3, 9, ...Buffer.from('some.test'), 0, 80]);

const target: FuzzTarget = {
  name: 'answers of proxies',
  inputs: [connect, refused, ipv4, name],
  parse(input, random) {
    const part = input.subarray(0, Math.floor(random() * (input.length + 1)));
    for (const parse of [parseConnectAnswer, parseSocksReply]) {
      for (const bytes of [part, input]) {
        let parsed: { readonly length: number } | null;
        try {
          parsed = parse(bytes);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith('it does not answer as')) continue;
          throw error;
        }
        if (parsed !== null && (parsed.length < 1 || parsed.length > bytes.length)) throw new Error(`an answer of ${parsed.length} of ${bytes.length} bytes`);
      }
    }
  },
};
export default target;
