/** The first file of both programs: it loads nothing but what it needs to make loading quick. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Program } from './command.ts';

/** Runs the program with the arguments of the process and sets its exit code. */
export async function start(program: Program): Promise<void> {
  cacheSources();
  const { runProgram } = await import('./program.ts');
  await runProgram(program, process.argv.slice(2));
}

/**
 * In a checkout, Node strips the types of every file at every start, which takes longer than all the rest.
 * The cache lies in the checkout, so whoever can write it can write the sources as well.
 */
function cacheSources(): void {
  const { filename, dirname } = import.meta;
  if (filename.endsWith('.ts')) enableCompileCache(join(dirname, '../node_modules/.cache/mentu'));
}
