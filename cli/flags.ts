/** Reads flags by a command's table; every mistake names the flag and the way out. */
import { parseArgs } from 'node:util';
import { MentuError, type ErrorCode } from '../core/index.ts';
import type { Command, Flags, FlagValues } from './command.ts';
import { nearest } from './nearest.ts';

export interface ParsedFlags {
  readonly flags: FlagValues<Flags>;
  readonly positionals: readonly string[];
  readonly help: boolean;
}

const USAGE_ERRORS = new Set<string>(['unknown_command', 'unknown_flag', 'bad_flag', 'bad_arguments', 'bad_filter', 'bad_time', 'bad_search', 'bad_signal'] satisfies ErrorCode[]);

/** True for a mistake in the arguments themselves. */
export function isUsageError(error: unknown): boolean {
  return error instanceof MentuError && USAGE_ERRORS.has(error.code);
}

/** `words` are the program's name and the command's, for the messages. */
export function parseFlags(command: Command, words: readonly string[], argv: readonly string[]): ParsedFlags {
  const program = words.join(' ');
  const names = new Map<string, string>([['help', 'help']]);
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = { help: { type: 'boolean', short: 'h' } };
  for (const [name, flag] of Object.entries(command.flags)) {
    for (const alias of [name, ...(flag.aliases ?? [])]) {
      names.set(alias, name);
      options[alias] = { type: flag.type, ...(flag.short !== undefined && alias === name ? { short: flag.short } : {}) };
    }
  }
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });

  const lists: Record<string, string[]> = {};
  const given = new Set<string>();
  let positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (command.takesCommandLine) {
        positionals = argv.slice(token.index);
        break;
      }
      positionals.push(token.value);
      continue;
    }
    if (token.kind === 'option-terminator') {
      if (!command.takesCommandLine) continue;
      positionals = argv.slice(token.index + 1);
      break;
    }
    const name = names.get(token.name);
    if (name === undefined) throw unknownFlag(token.rawName, [...names.keys()], program);
    if (name === 'help') return { flags: {}, positionals: [], help: true };
    const flag = command.flags[name]!;
    if (flag.type === 'boolean') {
      if (token.value !== undefined) throw badFlag(token.rawName, `takes no value, and "${token.value}" was given`, program);
      given.add(name);
      continue;
    }
    if (token.value === undefined) throw badFlag(token.rawName, `needs a value, ${flag.value ?? 'VALUE'}`, program);
    // A value that looks like a flag is more likely a forgotten value; `--flag=-value` says that it is meant.
    if (!token.inlineValue && token.value.length > 1 && token.value.startsWith('-')) {
      throw badFlag(token.rawName, `needs a value, and "${token.value}" looks like a flag (write ${token.rawName}=${token.value} if it is meant)`, program);
    }
    const list = (lists[name] ??= []);
    if (list.length > 0 && !flag.multiple) throw badFlag(token.rawName, 'is given twice', program);
    list.push(token.value);
  }
  checkCount(command, positionals, program);

  const flags: Record<string, boolean | string | readonly string[] | undefined> = {};
  for (const [name, flag] of Object.entries(command.flags)) {
    flags[name] = flag.type === 'boolean' ? given.has(name) : flag.multiple ? (lists[name] ?? []) : lists[name]?.[0];
  }
  return { flags: flags as FlagValues<Flags>, positionals, help: false };
}

/** A whole number from a flag's text; `undefined` stays so. */
export function wholeNumber(flag: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(number >= min && number <= max)) throw badFlag(flag, `takes a whole number from ${min} to ${max}, and "${text}" was given`);
  return number;
}

/** One of the named values; `undefined` stays so. */
export function oneOf<const V extends string>(flag: string, text: string | undefined, values: readonly V[]): V | undefined {
  if (text === undefined) return undefined;
  const value = values.find((each) => each === text);
  if (value === undefined) throw badFlag(flag, `takes ${values.join(', ')}, and "${text}" was given`);
  return value;
}

/** An error about the value of a flag; `reason` follows the flag's name: `takes a number …`. */
export function badFlag(flag: string, reason: string, program?: string): MentuError {
  return new MentuError('bad_flag', { flag, reason, help: helpLine(program) });
}

function unknownFlag(flag: string, names: readonly string[], program: string): MentuError {
  const near = nearest(flag.replace(/^-+/, ''), names);
  return new MentuError('unknown_flag', { flag, near: near === undefined ? '' : `Did you mean --${near}? `, help: helpLine(program) });
}

function checkCount(command: Command, positionals: readonly string[], program: string): void {
  const { min = 0, max = 0, usage = '' } = command.positionals ?? {};
  if (positionals.length < min) throw new MentuError('bad_arguments', { reason: `${usage} is missing`, help: helpLine(program) });
  if (positionals.length > max) {
    const surplus = positionals[max]!;
    throw new MentuError('bad_arguments', { reason: `"${surplus}" is one word too many`, help: helpLine(program) });
  }
}

function helpLine(program: string | undefined): string {
  return program === undefined ? 'See --help.' : `See "${program} --help".`;
}
