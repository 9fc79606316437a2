import { CryptoStream } from '../../../core/quic/crypto-stream.ts';
import { HelloAssembly } from '../../../core/quic/hello-assembly.ts';
import { initialKeys, sealInitial } from '../../../core/quic/initial-keys.ts';
import { QUIC_V1, QUIC_V2, readInvariantHeader, readLongPacket } from '../../../core/quic/packet.ts';
import { ServerHelloReader, readServerHello } from '../../../core/quic/server-hello.ts';
import { readQuicHello } from '../../../core/peek/client-hello.ts';
import type { FuzzTarget } from '../target.ts';
import { RFC_DCID, RFC_HELLO, RFC_SERVER_INITIAL, cryptoFrame } from '../../stage/quic-vectors.ts';

const frames = Buffer.concat([cryptoFrame(RFC_HELLO, 100, RFC_HELLO.length), Buffer.from([1, 2, 0, 0, 1, 0, 0, 0]), cryptoFrame(RFC_HELLO, 0, 120)]);
const sealed = (version: number): Buffer => sealInitial(version, RFC_DCID, Buffer.alloc(4, 1), frames, initialKeys(version, RFC_DCID, 'client'), 0, 1200);

const target: FuzzTarget = {
  name: 'QUIC Initial',
  inputs: [sealed(QUIC_V1), sealed(QUIC_V2), RFC_SERVER_INITIAL, frames, RFC_HELLO],
  parse(input, random) {
    readInvariantHeader(input);
    readLongPacket(input, Math.floor(random() * 4));
    HelloAssembly.begin(input)?.add(input);
    new ServerHelloReader(QUIC_V1, RFC_DCID).see(input);
    readServerHello(input);
    readQuicHello(input);
    const stream = new CryptoStream();
    const cut = Math.floor(random() * (input.length + 1));
    if (stream.take(input.subarray(0, cut)) && stream.take(input.subarray(cut))) readQuicHello(stream.bytes);
    // Behind the seal, where most mutated packets would not get.
    if (input.length < 1000) HelloAssembly.begin(sealInitial(QUIC_V1, RFC_DCID, Buffer.alloc(0), input, initialKeys(QUIC_V1, RFC_DCID, 'client')))?.add(sealInitial(QUIC_V1, RFC_DCID, Buffer.alloc(0), input, initialKeys(QUIC_V1, RFC_DCID, 'client')));
  },
};
export default target;
