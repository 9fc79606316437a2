// Reads an event stream and acknowledges each event before the next can come: node acknowledge.mjs 1.1|2 ORIGIN EVENTS
// Ends its process, without a goodbye, after event EVENTS where a fourth argument is given.
import http2 from 'node:http2';
import https from 'node:https';

const [version, origin, wanted, abort] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true });
const session = version === '2' ? http2.connect(origin) : null;

function brokenOff(error) {
  console.error(`broken off: ${error.code} ${error.message}`);
  process.exit(1);
}

function request(method, path, onData, onEnd) {
  if (session) {
    const stream = session.request({ ':method': method, ':path': path });
    stream.setEncoding('utf8').on('data', onData).on('end', () => stream.rstCode === 0 && onEnd()).on('error', brokenOff).end();
    return;
  }
  https.request(origin + path, { method, agent }, (response) => response.setEncoding('utf8').on('data', onData).on('end', onEnd).on('error', brokenOff)).on('error', brokenOff).end();
}

let text = '';
let events = 0;
request('GET', `/events/${wanted}`, (chunk) => {
  text += chunk;
  for (let end; (end = text.indexOf('\n\n')) !== -1; text = text.slice(end + 2)) {
    const number = /^data: (\d+)$/.exec(text.slice(0, end))?.[1];
    if (Number(number) !== events) throw new Error(`event ${events} was expected, not ${text}`);
    events++;
    if (abort && events === Number(wanted)) process.exit(0);
    request('POST', `/ack/${number}`, () => {}, () => {});
  }
}, () => {
  console.log(`${events} events`);
  session?.close();
  agent.destroy();
});
