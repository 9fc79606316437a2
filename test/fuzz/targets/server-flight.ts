import { cipherName, versionName } from '../../../core/tls/cipher-suites.ts';
import { distinguishedName } from '../../../core/tls/distinguished-name.ts';
import { HandshakeWatch } from '../../../core/relay/handshake-watch.ts';
import { ServerFlight } from '../../../core/tls/server-flight.ts';
import { originCA } from '../../stage/origin.ts';
import { serverFlight } from '../../stage/server-flight.ts';
import type { FuzzTarget } from '../target.ts';

const asking = { ...originCA.identity('api.test'), ca: originCA.certificate, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
const inputs = [
  (await serverFlight({ ...asking, maxVersion: 'TLSv1.2' }, { ALPNProtocols: ['http/1.1'] })).bytes,
  (await serverFlight(asking, { ALPNProtocols: ['http/1.1'] })).bytes,
];

const hello = { sni: 'api.test', alpn: ['h2'], versions: [0x0304, 0x0303], ciphers: [], groups: [], signatureAlgorithms: [], ech: false, ja4: '' };

/** A protection that hides nothing, so that what is encrypted in truth is read as well. */
const bare = (header: Buffer, fragment: Buffer) => (fragment.length === 0 ? null : { type: header.length === 5 ? 22 : 0, content: fragment });

const target: FuzzTarget = {
  name: 'ServerFlight',
  inputs,
  parse(input, random) {
    for (const flight of [new ServerFlight(), new ServerFlight(bare)]) {
      const cut = Math.floor(random() * (input.length + 1));
      flight.push(input.subarray(0, cut));
      flight.push(input.subarray(cut));
      if (flight.version !== null) versionName(flight.version);
      if (flight.cipher !== null) cipherName(flight.cipher);
      flight.authorities?.forEach(distinguishedName);
    }
    distinguishedName(input);
    const watch = new HandshakeWatch(hello);
    const cut = Math.floor(random() * (input.length + 1));
    for (const from of random() < 0.5 ? (['server', 'client'] as const) : (['client', 'server'] as const)) {
      watch.pass(from, input.subarray(0, cut));
      watch.pass(from, input.subarray(cut));
    }
    watch.finish(({ passthrough }) => JSON.stringify(passthrough));
  },
};
export default target;
