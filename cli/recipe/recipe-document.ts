/** A recipe's file as a document whose places have JSON pointers beside line and column. */
import type { ErrorPlace } from '../../core/index.ts';
import { parseJson, type Path, type SourceDocument } from '../settings/source-document.ts';
import type { SourceFiles } from '../settings/source-file.ts';
import { check } from '../settings/validation.ts';
import { recipeSchema } from './recipe-schema.ts';

/** Reads the file and checks its shape. Throws a `MentuError` with the place of the first mistake. */
export function readRecipeDocument(files: SourceFiles, path: string): SourceDocument {
  const document = parseJson(files.read(path, { what: 'recipe' }));
  const pointed = (place: ErrorPlace, at: Path): ErrorPlace => ({ ...place, pointer: pointerOf(at) });
  const located: SourceDocument = {
    ...document,
    placeOf: (at) => pointed(document.placeOf(at), at),
    placeOfKey: (at) => pointed(document.placeOfKey(at), at),
  };
  check(located, recipeSchema);
  return located;
}

/** RFC 6901; the whole document is the empty pointer. */
function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
