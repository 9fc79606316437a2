/**
 * A command line program as data: a table of commands, each loaded when it is called and not before.
 * Help, the parsing of flags and shell completion read the same tables.
 */

export interface Flag {
  readonly type: 'string' | 'boolean';
  /** One letter. */
  readonly short?: string;
  /** May be given more than once; the values come as a list. */
  readonly multiple?: boolean;
  /** The placeholder of the value in the help: `HOST`, `FILE`. */
  readonly value?: string;
  /** Other names of the same flag. */
  readonly aliases?: readonly string[];
  readonly description: string;
}

export type Flags = Readonly<Record<string, Flag>>;

/** What the flags of a command give to it: an absent boolean is false, an absent list empty. */
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends { type: 'boolean' }
    ? boolean
    : F[Name] extends { multiple: true }
      ? readonly string[]
      : string | undefined;
};

export interface Invocation<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
}

export interface Positionals {
  /** As the help shows them: `FILE`, `[JOB]`, `COMMAND [ARG…]`. */
  readonly usage: string;
  readonly min: number;
  readonly max: number;
}

export interface Command<F extends Flags = Flags> {
  readonly description: string;
  readonly flags: F;
  /** Absent: the command takes none. */
  readonly positionals?: Positionals;
  /** Flags end at the first word that is none (or at `--`), and all after it is positional, as for `env` and `docker run`. */
  readonly takesCommandLine?: boolean;
  /** Further paragraphs of the help, such as the exit codes. */
  readonly notes?: string;
  /** Exit code of a mistake in the arguments (default 2) and of any other error (default 1). */
  readonly failure?: { readonly usage: number; readonly error: number };
  /** True where the command sees to a reader of stdout that goes away; else the process ends quietly. */
  readonly ownsOutput?: boolean;
  /** Resolves to the exit code. Throws a `MentuError` for what the user should read. */
  run(invocation: Invocation<F>): Promise<number> | number;
}

/** Gives a command its types: `flags` in `run` has the types that the table describes. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command<F> {
  return command;
}

export interface CommandEntry {
  /** One line in the list of commands. */
  readonly summary: string;
  load(): Promise<{ readonly default: unknown }>;
}

export interface CommandGroup {
  readonly summary: string;
  readonly commands: CommandTable;
}

export type CommandTable = Readonly<Record<string, CommandEntry | CommandGroup>>;

export interface Program {
  readonly name: string;
  readonly summary: string;
  readonly commands: CommandTable;
}
