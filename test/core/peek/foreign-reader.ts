/** The reader of ClientHellos that mockttp brings along: another opinion. */
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';

type ForeignHello = object;

interface ForeignReader {
  readTlsClientHello(stream: Readable): Promise<ForeignHello>;
  calculateJa4(hello: ForeignHello): string;
}

const reader = createRequire(createRequire(import.meta.url).resolve('mockttp'))('read-tls-client-hello') as ForeignReader;

export function parseTlsHello(bytes: Buffer): Promise<ForeignHello> {
  return reader.readTlsClientHello(Readable.from([bytes], { objectMode: false }));
}

export const calculateJa4FromHelloData = (hello: ForeignHello): string => reader.calculateJa4(hello);
