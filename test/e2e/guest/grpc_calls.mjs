// @grpc/grpc-js, as a program of the guest: node grpc_calls.mjs HOST [KIND …]; prints what came, a line for each kind of call.
import { createRequire } from 'node:module';

const grpc = createRequire('/opt/modules/program.js')('@grpc/grpc-js');
const [host, ...kinds] = process.argv.slice(2);
const bytes = (message) => message;
const method = (name, requestStream, responseStream) => ({ path: `/demo.Echo/${name}`, requestStream, responseStream, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes });
const Client = grpc.makeGenericClientConstructor({
  unary: method('Unary', false, false),
  server: method('Server', false, true),
  client: method('Client', true, false),
  bidirectional: method('Bidirectional', true, true),
  early: method('Early', true, true),
  fails: method('Fails', false, false),
  slow: method('Slow', false, true),
}, 'demo.Echo');
const client = new Client(host, grpc.credentials.createSsl());
const text = (message) => Buffer.from(message).toString();

function single(call) {
  return new Promise((resolve) => call((error, message) => resolve(error ? `${grpc.status[error.code]} ${error.details}` : text(message))));
}

function streamed(call, onData = () => {}) {
  return new Promise((resolve) => {
    const came = [];
    call.on('data', (message) => {
      came.push(text(message));
      onData(came.length);
    });
    call.on('error', () => {});
    call.on('status', ({ code, details }) => resolve(`${came.join(',')} ${grpc.status[code]}${details && details !== 'OK' ? ` ${details}` : ''}`));
  });
}

const calls = {
  unary: () => single((done) => client.unary(Buffer.from('hello'), done)),
  server: () => streamed(client.server(Buffer.from('3'))),
  client: () =>
    single((done) => {
      const call = client.client(done);
      for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part));
      call.end();
    }),
  // Each message is sent when the answer to the one before has come: both directions at once, or nothing.
  bidirectional: () => {
    const call = client.bidirectional();
    const send = (number) => call.write(Buffer.from(String(number)));
    send(0);
    return streamed(call, (count) => (count < 10 ? send(count) : call.end()));
  },
  // The server ends the call while the client still has its half open.
  early: () => {
    const call = client.early();
    call.write(Buffer.from('x'));
    return streamed(call);
  },
  fails: () => single((done) => client.fails(Buffer.from('x'), done)),
  // The deadline passes in the middle of the answer.
  slow: () => streamed(client.slow(Buffer.from('x'), { deadline: Date.now() + 700 })),
};
for (const kind of kinds) console.log(`${kind}: ${await calls[kind]()}`);
client.close();
