/** An origin in a process of its own, to be killed: sends a body of which it never sends the end. Tells its port over IPC. */
import { readFileSync } from 'node:fs';
import { Origin } from './origin.ts';

const [key, cert, authorityFile] = process.argv.slice(2) as [string, string, string];
const origin = await Origin.open((request, response) => {
  const write = (text: string): void => void (response as { write(text: string): boolean }).write(text);
  response.setHeader('content-type', 'text/plain');
  write('beginning of ');
  setTimeout(() => write(request.url!), 20);
  setTimeout(() => process.send!({ sent: true }), 100);
}, { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8'), authorityFile });
process.send!({ address: origin.address });
