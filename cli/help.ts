/** The help texts, made from the tables of commands and flags. */
import type { Command, CommandGroup, Flag } from './command.ts';

export function groupHelp(words: readonly string[], group: CommandGroup): string {
  const rows = Object.entries(group.commands).map(([name, entry]) => [name, entry.summary] as const);
  const extra = words.length === 1 ? 'Flags:\n  --help      print this help\n  --version   print the version\n\n' : '';
  return `${group.summary}\n\nUsage: ${words.join(' ')} COMMAND\n\nCommands:\n${columns(rows)}\n${extra}"${words.join(' ')} COMMAND --help" tells more.\n`;
}

export function commandHelp(words: readonly string[], command: Command): string {
  const rows = Object.entries(command.flags).map(([name, flag]) => [flagUsage(name, flag), flagText(flag)] as const);
  rows.push(['-h, --help', 'print this help']);
  const usage = [words.join(' '), '[FLAGS]', command.takesCommandLine ? '[--]' : '', command.positionals?.usage ?? ''].filter(Boolean).join(' ');
  const notes = command.notes === undefined ? '' : `\n${command.notes.trim()}\n`;
  return `${command.description}\n\nUsage: ${usage}\n\nFlags:\n${columns(rows)}${notes}`;
}

function flagUsage(name: string, flag: Flag): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
  return `${short}--${name}${flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : ''}`;
}

function flagText(flag: Flag): string {
  const aliases = flag.aliases?.length ? ` (also ${flag.aliases.map((alias) => `--${alias}`).join(', ')})` : '';
  return `${flag.description}${flag.multiple ? '; may be repeated' : ''}${aliases}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}
