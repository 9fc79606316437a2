/** Runs a program of commands: finds the command, reads its flags, prints its help and its errors. */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { MentuError } from '../core/index.ts';
import { isUsageError, parseFlags } from './flags.ts';
import { commandHelp, groupHelp } from './help.ts';
import { nearest } from './nearest.ts';
import { visible } from './output.ts';
import type { Command, CommandGroup, Program } from './command.ts';

const USAGE_FAILURE = 2;
const FAILURE = 1;

/** Runs `argv` (without node and script) and sets the exit code of the process. */
export async function runProgram(program: Program, argv: readonly string[]): Promise<void> {
  ignoreLostReader(process.stderr);
  process.exitCode = await run(program, argv);
}

async function run(program: Program, argv: readonly string[]): Promise<number> {
  let command: Command | undefined;
  let words = [program.name];
  try {
    let group: CommandGroup = program;
    for (let depth = 0; ; depth++) {
      const word = argv[depth];
      if (word === '--version' && depth === 0) return print(`${packageVersion()}\n`);
      if (word === '--help' || word === '-h' || (word === 'help' && !Object.hasOwn(group.commands, word))) return print(groupHelp(words, group));
      if (word === undefined) {
        process.stderr.write(groupHelp(words, group));
        return USAGE_FAILURE;
      }
      const entry = Object.hasOwn(group.commands, word) ? group.commands[word]! : unknownCommand(words, word, group);
      words = [...words, word];
      if ('commands' in entry) {
        group = entry;
        continue;
      }
      command = (await entry.load()).default as Command;
      const { flags, positionals, help } = parseFlags(command, words, argv.slice(depth + 1));
      if (help) return print(commandHelp(words, command));
      if (!command.ownsOutput) endWithReader();
      return await command.run({ flags, positionals });
    }
  } catch (error) {
    process.stderr.write(`${words.join(' ')}: ${describe(error).split('\n').map(visible).join('\n')}\n`);
    if (isUsageError(error)) return command?.failure?.usage ?? USAGE_FAILURE;
    return command?.failure?.error ?? FAILURE;
  }
}

/** The text of an error for a person: ours in words, any other with its stack, for it is a defect. */
export function describe(error: unknown): string {
  if (error instanceof MentuError) return error.toString();
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export function packageVersion(): string {
  const file = findPackageJSON('..', import.meta.url);
  if (file === undefined) return 'unknown';
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function unknownCommand(words: readonly string[], word: string, group: CommandGroup): never {
  const names = Object.keys(group.commands);
  const near = nearest(word, names);
  throw new MentuError('unknown_command', {
    command: word,
    remedy: near === undefined ? `Commands: ${names.join(', ')}.` : `Did you mean "${near}"?`,
    program: words.join(' '),
  });
}

function print(text: string): number {
  endWithReader();
  process.stdout.write(text);
  return 0;
}

/** A reader such as `head` that has seen enough ends the program quietly. */
function endWithReader(): void {
  if (process.stdout.listenerCount('error') > 0) return;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.stderr.write(`stdout: ${error.message}\n`);
    process.exit(error.code === 'EPIPE' ? 0 : FAILURE);
  });
}

function ignoreLostReader(stream: NodeJS.WriteStream): void {
  stream.on('error', () => {});
}
