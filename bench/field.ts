/** The origins and all contenders of one run, started together and ended together. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeOriginFiles, type OriginFiles } from './certificates.ts';
import type { Contender, Setting } from './contenders/contender.ts';
import { DIRECT } from './contenders/direct.ts';
import { STANDARD, VARIANTS, startMentu } from './contenders/mentu.ts';
import { startMitmproxy } from './contenders/mitmproxy.ts';
import { startMockttp } from './contenders/mockttp.ts';
import { HOST, startOrigin, type Origin } from './origin.ts';
import { SseOrigin } from './sse-origin.ts';

export class Field {
  readonly directory: string;
  readonly contenders: Contender[] = [DIRECT];
  readonly variants: Contender[] = [];
  files!: OriginFiles;
  /** What else is to be ended with it. */
  readonly alsoEnds: (() => Promise<void>)[] = [];
  origin!: Origin;
  sse!: SseOrigin;
  #closed: Promise<Map<Contender, string[]>> | null = null;

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'mentu-bench-'));
  }

  /** Whoever calls closes it, also where this rejects: `onMade` gives it before anything is started. */
  static async start(options: { readonly download: boolean; readonly variants: boolean; onMade(field: Field): void }): Promise<Field> {
    const field = new Field();
    options.onMade(field);
    const files = writeOriginFiles(field.directory, HOST);
    field.files = files;
    field.origin = await startOrigin(field.directory, files, options.download);
    field.sse = await SseOrigin.start(files);
    const setting = (name: string): Setting => {
      const directory = join(field.directory, name);
      mkdirSync(directory);
      return { directory, files };
    };
    field.contenders.push(await startMentu(STANDARD, setting('mentu')), await startMitmproxy(setting('mitmproxy')), await startMockttp(setting('mockttp')));
    if (options.variants) for (const [i, variant] of VARIANTS.entries()) field.variants.push(await startMentu(variant, setting(`mentu-${i}`)));
    return field;
  }

  /** Ends every process and gives what each contender has to complain of. The records stay until `remove`. */
  close(): Promise<Map<Contender, string[]>> {
    return (this.#closed ??= this.#end());
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #end(): Promise<Map<Contender, string[]>> {
    const problems = new Map<Contender, string[]>();
    for (const contender of [...this.contenders, ...this.variants]) {
      // One that fails to end must not keep the others from ending.
      problems.set(contender, await contender.close().catch((error: unknown) => [`it did not end well: ${String(error)}`]));
    }
    for (const end of this.alsoEnds) await end().catch(() => undefined);
    await this.origin?.process.stop();
    await this.sse?.close();
    return problems;
  }
}

/** Bytes of all files in a folder. */
export function folderSize(directory: string): number {
  return readdirSync(directory, { recursive: true }).reduce((sum, name) => sum + fileSize(join(directory, String(name))), 0);
}

function fileSize(path: string): number {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts?.isFile() ? facts.size : 0;
}
