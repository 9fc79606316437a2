/**
 * How modules of plugins are found. A plugin anywhere on the disk imports `mentu-interceptor` and gets the
 * very core that runs it; a package is looked for from the folder of the file that lists it. Nothing else
 * about module resolution changes.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { registerHooks, type LoadHookContext, type ModuleHooks, type ResolveHookContext } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MentuError } from '../../core/index.ts';
import { coreModule } from '../settings/installation.ts';
import { sha256 } from '../settings/source-file.ts';

const SELF = 'mentu-interceptor';
const CORE_URL = pathToFileURL(coreModule).href;
/** A specifier of ours: what to resolve, and the module to resolve it from. */
const FROM = 'mentu-from:';

type NextResolve = (specifier: string, context?: Partial<ResolveHookContext>) => { url: string };

export class PluginModules {
  readonly #hooks: ModuleHooks;
  /** Modules that may be no others than the ones which were vouched for, and all that they import. */
  readonly #guarded = new Set<string>();
  #vouched: ReadonlyMap<string, string> = new Map();
  readonly #loaded = new WeakMap<object, Promise<unknown>>();

  constructor() {
    this.#hooks = registerHooks({
      resolve: (specifier, context, next) => this.#resolve(specifier, context, next as NextResolve),
      load: (url, context: LoadHookContext, next) => {
        const loaded = next(url, context);
        if (this.#guarded.has(url) && url.startsWith('file:')) this.#verify(url, loaded.source);
        return loaded;
      },
    });
  }

  /** The URL of a package's entry (or of an absolute path), resolved as an import from `folder`. */
  resolve(specifier: string, folder: string): string {
    return import.meta.resolve(`${FROM}${encodeURIComponent(JSON.stringify([specifier, pathToFileURL(join(folder, 'import')).href]))}`);
  }

  /** From now on, the module and all that it imports must have the given hashes (absolute path → SHA-256 in hex). */
  guard(file: string, vouched: ReadonlyMap<string, string>): void {
    this.#guarded.add(pathToFileURL(realpathSync(file)).href);
    this.#vouched = vouched;
  }

  /** What `load` resolves to; for the same key, what it resolved to first. */
  once<Value>(key: object, load: () => Promise<Value>): Promise<Value> {
    const known = this.#loaded.get(key) ?? load();
    this.#loaded.set(key, known);
    return known as Promise<Value>;
  }

  close(): void {
    this.#hooks.deregister();
  }

  #resolve(specifier: string, context: ResolveHookContext, next: NextResolve): { url: string } {
    if (specifier === SELF) return next(CORE_URL, context);
    if (specifier.startsWith(FROM)) {
      const [wanted, parentURL] = JSON.parse(decodeURIComponent(specifier.slice(FROM.length))) as [string, string];
      return next(wanted, { ...context, parentURL });
    }
    const result = next(specifier, context);
    if (context.parentURL !== undefined && this.#guarded.has(context.parentURL) && !result.url.startsWith('node:') && result.url !== CORE_URL) this.#guarded.add(result.url);
    return result;
  }

  #verify(url: string, source: unknown): void {
    const file = fileURLToPath(url);
    // Node reads some CommonJS modules only after this step.
    const bytes = typeof source === 'string' || source instanceof Uint8Array ? source : readFileSync(file);
    if (this.#vouched.get(file) !== sha256(bytes)) throw new MentuError('plugin_not_vouched', { file });
  }
}
