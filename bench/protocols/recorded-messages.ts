/** What a record of ours says of the messages that passed. */
import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

interface Counted {
  readonly message_count: { readonly up: number; readonly down: number };
}

/** Messages of WebSockets and gRPC calls, both ways together. */
export async function recordedMessages(path: string): Promise<number> {
  if (!existsSync(path)) return 0;
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) count += messagesOf(line);
  return count;
}

export function messagesOf(line: string): number {
  if (!line.includes('"message_count"')) return 0;
  const { websocket, grpc } = JSON.parse(line) as { websocket?: Counted | null; grpc?: Counted | null };
  return [websocket, grpc].reduce((sum, part) => sum + (part ? part.message_count.up + part.message_count.down : 0), 0);
}
