/** What is secret, by the options: put together once, used for every flow. */
import { jsonFields } from './json-fields.ts';
import type { Finder } from './mask.ts';
import { SecretNames } from './secret-names.ts';
import { assignments, formFields, multipartFields, queryFields, xmlElements } from './text-fields.ts';
import { tokenShapes, userPatterns } from './token-shapes.ts';

export interface RedactOptions {
  readonly headers: readonly string[];
  readonly fields: readonly string[];
  readonly patterns: readonly string[];
  readonly keep: readonly string[];
}

/** Headers that the words of their names do not show to be secret. */
const SECRET_HEADERS = ['x-amz-content-signature', 'x-auth', 'x-session', 'x-api-auth', 'authentication-info', 'proxy-authentication-info'];

export class RedactRules {
  readonly headers: SecretNames;
  readonly fields: SecretNames;
  /** For a line of text: an address, a header, a message. */
  readonly line: readonly Finder[];
  readonly #text: readonly Finder[];

  private constructor(options: RedactOptions, patterns: readonly Finder[]) {
    const { keep } = options;
    this.headers = new SecretNames({ secret: [...SECRET_HEADERS, ...options.headers], keep });
    this.fields = new SecretNames({ secret: options.fields, keep });
    const shapes = [...tokenShapes(), ...patterns];
    this.line = [queryFields(this.fields), jsonFields(this.fields), assignments(this.fields), ...shapes];
    this.#text = [jsonFields(this.fields), queryFields(this.fields), xmlElements(this.fields), assignments(this.fields), ...shapes];
  }

  /** Throws `redact_pattern_invalid` for a pattern that cannot be used. */
  static async of(options: RedactOptions): Promise<RedactRules> {
    return new RedactRules(options, await userPatterns(options.patterns));
  }

  /** For a body of the given content type. */
  body(contentType: string | undefined): readonly Finder[] {
    const type = contentType?.trimStart().toLowerCase() ?? '';
    if (type.startsWith('multipart/')) return [multipartFields(this.fields, contentType!), ...this.#text];
    if (type.startsWith('application/x-www-form-urlencoded')) return [formFields(this.fields), ...this.#text];
    return this.#text;
  }
}
