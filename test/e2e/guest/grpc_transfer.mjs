// Many bytes in one stream of gRPC, as a program of the guest: node grpc_transfer.mjs HOST give|take SIZE; prints the SHA-256 of what came, or of what was sent.
// Waits for a line before and after the transfer, so that nothing else takes place between.
import { createCipheriv, createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const grpc = createRequire('/opt/modules/program.js')('@grpc/grpc-js');
const [host, kind, size] = process.argv.slice(2);
const bytes = (message) => message;
const method = (name, requestStream, responseStream) => ({ path: `/demo.Transfer/${name}`, requestStream, responseStream, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes });
const Client = grpc.makeGenericClientConstructor({ give: method('Give', false, true), take: method('Take', true, false) }, 'demo.Transfer');
const client = new Client(host, grpc.credentials.createSsl(), { 'grpc.max_receive_message_length': -1 });
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function give(total) {
  const hash = createHash('sha256');
  for await (const message of client.give(Buffer.from(String(total)))) hash.update(message);
  return hash.digest('hex');
}

async function take(total) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  let call;
  const answer = new Promise((resolve, reject) => (call = client.take((error, message) => (error ? reject(error) : resolve(message.toString())))));
  const chunk = Buffer.alloc(64 * 1024);
  for (let left = total; left > 0; left -= chunk.length) {
    if (!call.write(cipher.update(chunk.subarray(0, Math.min(left, chunk.length))))) await new Promise((resolve) => call.once('drain', resolve));
  }
  call.end();
  return answer;
}

const transfer = { give, take }[kind];
await transfer(1000);
console.log('ready');
await lines.next();
console.log(await transfer(Number(size)));
console.log('done');
await lines.next();
client.close();
process.exit(0);
