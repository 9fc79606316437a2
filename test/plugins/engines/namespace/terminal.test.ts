import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Guest } from '../../../../plugins/engines/engine.ts';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import { bounded, consume, specOf } from './job.ts';

class Screen {
  readonly guest: Guest;
  text = '';

  constructor(guest: Guest) {
    this.guest = guest;
    guest.terminal!.output.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
  }

  type(keys: string): void {
    this.guest.terminal!.input.write(keys);
  }

  async shows(pattern: RegExp): Promise<void> {
    for (let waited = 0; !pattern.test(this.text); waited += 10) {
      if (waited > 5000) assert.fail(`${pattern} is not on the screen:\n${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.text = '';
  }
}

async function withScreen(command: readonly string[], use: (screen: Screen) => Promise<void>): Promise<void> {
  const [file = '', ...args] = command;
  const guest = await new NamespaceEngine().prepare(specOf({ command: file, args, env: { PS1: 'prompt> ' }, terminal: { columns: 91, rows: 37 } }));
  try {
    consume(guest);
    const screen = new Screen(guest);
    await guest.run();
    await use(screen);
  } finally {
    await guest.close();
  }
}

test('an interactive shell has its terminal, its size and its changes, and job control', async () => {
  await withScreen(['bash', '--norc', '-i'], async (screen) => {
    await screen.shows(/prompt> $/);
    screen.type('stty size; tty\r');
    await screen.shows(/37 91\r\n\/dev\/\S+\r\n.*prompt> $/s);
    screen.guest.terminal!.resize(100, 40);
    screen.type('stty size\r');
    await screen.shows(/40 100\r\n.*prompt> $/s);
    screen.type('sleep 50\r');
    await new Promise((resolve) => setTimeout(resolve, 200));
    screen.type('\x1a'); // Ctrl-Z
    await screen.shows(/Stopped.*prompt> $/s);
    screen.type('bg; jobs\r');
    await screen.shows(/Running +sleep 50.*prompt> $/s);
    screen.type('fg\r');
    await new Promise((resolve) => setTimeout(resolve, 200));
    screen.type('\x03'); // Ctrl-C
    await screen.shows(/\^C.*prompt> $/s);
    screen.type('exit 5\r');
    assert.deepEqual(await bounded(screen.guest.exited), { code: 5, signal: null });
  });
});

test('no warning of a shell that finds no terminal or no job control', async () => {
  await withScreen(['bash', '--norc', '-i', '-c', 'echo done'], async (screen) => {
    await bounded(screen.guest.exited);
    await screen.shows(/^done\r\n$/);
  });
});

test('a signal goes to the group in the foreground', async () => {
  await withScreen(['bash', '--norc', '-i'], async (screen) => {
    await screen.shows(/prompt> $/);
    screen.type('sleep 50; echo code $?\r');
    await new Promise((resolve) => setTimeout(resolve, 300));
    screen.guest.signal('SIGTERM');
    await screen.shows(/code 143/);
    screen.type('exit\r');
    await bounded(screen.guest.exited);
  });
});

test('output is complete when it ends, and ends with the guest', async () => {
  const guest = await new NamespaceEngine().prepare(specOf({ command: 'seq', args: ['100000'], terminal: { columns: 80, rows: 24 } }));
  try {
    consume(guest);
    const ended = (async () => {
      let text = '';
      for await (const chunk of guest.terminal!.output) text += String(chunk);
      return text;
    })();
    await guest.run();
    assert.deepEqual(await bounded(guest.exited), { code: 0, signal: null });
    const lines = (await bounded(ended)).trimEnd().split('\r\n');
    assert.equal(lines.length, 100_000);
    assert.equal(lines.at(-1), '100000');
  } finally {
    await guest.close();
  }
});
