/** What an image's configuration says of it (OCI image-spec, config.md; Docker's is the same). */
import { ImageJson } from './json.ts';
import type { ImageManifest, Platform } from './manifest.ts';

export interface ImageFacts extends Platform {
  /** ENV. */
  readonly env: Readonly<Record<string, string>>;
  /** WORKDIR; '/' where the image names none. */
  readonly workingDir: string;
  /** ENTRYPOINT and CMD. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

export interface ImageConfig {
  readonly facts: ImageFacts;
  /** The digest of each layer's content, unpacked. */
  readonly diffIds: readonly string[];
}

/** What Node calls the processors that images are made for. */
const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', ia32: '386' };

export function thisPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

export function readConfig({ config, layers }: ImageManifest): ImageConfig {
  const document = ImageJson.parse(config, "the image's configuration");
  const run = document.part('config');
  const runs = (key: string): ImageJson => (run.isAbsent ? run : run.part(key));
  const diffIds = document.part('rootfs').part('diff_ids').optionalTexts();
  if (diffIds.length !== layers.length) throw new Error(`its configuration names ${diffIds.length} layers, and its manifest ${layers.length}`);
  const workingDir = runs('WorkingDir').optionalText();
  return {
    diffIds,
    facts: {
      os: document.part('os').text(),
      architecture: document.part('architecture').text(),
      env: Object.fromEntries(runs('Env').optionalTexts().map(variable)),
      workingDir: workingDir.startsWith('/') ? workingDir : `/${workingDir}`,
      entrypoint: runs('Entrypoint').optionalTexts(),
      command: runs('Cmd').optionalTexts(),
    },
  };
}

function variable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0 || text.includes('\0')) throw new Error(`its configuration has an ENV without a name or a value: "${text.slice(0, 100)}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}
