import { test } from 'node:test';
import assert from 'node:assert/strict';
import { MentuError } from '../../core/index.ts';
import { defineCommand, type Command } from '../../cli/command.ts';
import { isUsageError, oneOf, parseFlags, wholeNumber } from '../../cli/flags.ts';
import { nearest } from '../../cli/nearest.ts';

const flags = {
  preset: { type: 'string', short: 'p', value: 'PRESET', description: '' },
  allow: { type: 'string', multiple: true, value: 'HOST', aliases: ['permit'], description: '' },
  json: { type: 'boolean', description: '' },
} as const;
const list = defineCommand({ description: '', flags, positionals: { usage: '[JOB]', min: 0, max: 1 }, run: () => 0 }) as Command;
const exec = defineCommand({ description: '', flags, takesCommandLine: true, positionals: { usage: 'COMMAND [ARG…]', min: 0, max: Infinity }, run: () => 0 }) as Command;

const parse = (command: Command, ...argv: string[]) => parseFlags(command, ['mentu', 'x'], argv);

test('gives each flag its value, and what is absent its empty one', () => {
  assert.deepEqual(parse(list), { flags: { preset: undefined, allow: [], json: false }, positionals: [], help: false });
  assert.deepEqual(parse(list, '-p', 'audit', '--allow', 'a', '--permit=b', 'job', '--json').flags, { preset: 'audit', allow: ['a', 'b'], json: true });
  assert.deepEqual(parse(list, '--preset=-x', '--', '--json'), { flags: { preset: '-x', allow: [], json: false }, positionals: ['--json'], help: false });
  assert.equal(parse(list, '--json', '--help', '--unknown').help, true);
});

test('a command line keeps its own flags, with and without --', () => {
  for (const argv of [['--json', '--allow', 'h', 'curl', '-s', '--json', '--', '-h'], ['--json', '--allow', 'h', '--', 'curl', '-s', '--json', '--', '-h']]) {
    assert.deepEqual(parse(exec, ...argv), { flags: { preset: undefined, allow: ['h'], json: true }, positionals: ['curl', '-s', '--json', '--', '-h'], help: false });
  }
  assert.deepEqual(parse(exec, '--', '--json').positionals, ['--json']);
});

test('every mistake names the flag', () => {
  for (const [argv, code, message] of [
    [['--presset', 'x'], 'unknown_flag', /Did you mean --preset\?/],
    [['-z'], 'unknown_flag', /no flag -z/],
    [['--json=yes'], 'bad_flag', /--json takes no value/],
    [['--preset'], 'bad_flag', /--preset needs a value, PRESET/],
    [['--preset', '--json'], 'bad_flag', /"--json" looks like a flag/],
    [['-p', 'a', '--preset', 'b'], 'bad_flag', /--preset is given twice/],
    [['a', 'b'], 'bad_arguments', /"b" is one word too many/],
  ] as const) {
    assert.throws(() => parse(list, ...argv), (error) => {
      assert.ok(error instanceof MentuError && isUsageError(error));
      assert.equal(error.code, code);
      assert.match(error.toString(), message);
      assert.match(error.toString(), /See "mentu x --help"/);
      return true;
    });
  }
});

test('reads numbers and choices', () => {
  assert.deepEqual([wholeNumber('--n', undefined, 1, 5), wholeNumber('--n', '5', 1, 5)], [undefined, 5]);
  for (const text of ['', '0', '6', '1.5', '0x1', '-1', 'one']) assert.throws(() => wholeNumber('--n', text, 1, 5), /--n takes a whole number from 1 to 5/);
  assert.equal(oneOf('--f', 'b', ['a', 'b']), 'b');
  assert.throws(() => oneOf('--f', 'c', ['a', 'b']), /--f takes a, b, and "c" was given/);
});

test('the nearest name is found for slips, and none for what is far', () => {
  const names = ['query', 'capture', 'search', 'stats', 'ingest'];
  assert.deepEqual(['qurey', 'capt', 'serach', 'stat', 'injest', 'xyzzy'].map((typed) => nearest(typed, names)), ['query', 'capture', 'search', 'stats', 'ingest', undefined]);
});
