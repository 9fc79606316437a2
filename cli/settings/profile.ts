/** Loads a profile. */
import type { ErrorPlace } from '../../core/index.ts';
import { profileSchema, type Profile } from './profile-schema.ts';
import { parseJson, type SourceDocument } from './source-document.ts';
import type { SourceFiles } from './source-file.ts';
import { check } from './validation.ts';

export interface LoadedProfile {
  readonly document: SourceDocument;
  readonly value: Profile;
}

/** `place` is where a file names the profile, if one does. Throws a `MentuError` with the place of the mistake. */
export function loadProfile(files: SourceFiles, path: string, place?: ErrorPlace): LoadedProfile {
  const document = parseJson(files.read(path, { what: 'profile', place }));
  check(document, profileSchema);
  return { document, value: document.value as Profile };
}
