/** Names of fields and headers whose values are secrets, told by the words that they are made of. */

/** A name that has one of these words anywhere. */
const ANYWHERE = new Set(['password', 'passwd', 'passphrase', 'passcode', 'secret', 'secrets']);
/** A name that is one of these words, or ends with it as a word. */
const LAST_WORD = new Set(['pwd', 'jwt', 'sig', 'otp', 'totp', 'pin', 'cvv', 'cvc', 'bearer', 'cookie', 'cookies', 'credential', 'authorization', 'assertion']);
/** A name that ends so once its words are written together. */
const ENDING =
  /(?:token|password|passwd|passphrase|secret|credentials?|signature|samlresponse|connectionstring|codeverifier|(?:api|access|secret|private|session|auth|encryption|signing|account|shared|master|storage|subscription|license|service)key|(?:session|sess)id)$/;
/** Words that say little: only a value that looks like a secret is one. */
const WEAK = new Set(['key', 'auth', 'code', 'session', 'sid', 'sess', 'nonce', 'ticket']);
const LOOKS_SECRET = /^(?=.{0,400}[0-9])(?=.{0,400}[A-Za-z])[A-Za-z0-9+/_=.~%-]{20,}$/;

const REMEMBERED = 2000;
const LONGEST_NAME = 128;

type Verdict = 'secret' | 'weak' | 'plain';

export interface NameRules {
  /** Names beside the known ones; `*` stands for any characters, case and separators do not count. */
  readonly secret: readonly string[];
  /** Names that are never secret. */
  readonly keep: readonly string[];
}

export class SecretNames {
  readonly #secret: RegExp | null;
  readonly #keep: RegExp | null;
  readonly #known = new Map<string, Verdict>();

  constructor(rules: NameRules) {
    this.#secret = anyOf(rules.secret);
    this.#keep = anyOf(rules.keep);
  }

  /** Whether the value of the field is a secret; `value` decides where the name alone says little. */
  isSecret(name: string, value: () => string): boolean {
    if (name.length > LONGEST_NAME) return false;
    let verdict = this.#known.get(name);
    if (verdict === undefined) {
      verdict = this.#judge(name);
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      this.#known.set(name, verdict);
    }
    return verdict === 'secret' || (verdict === 'weak' && LOOKS_SECRET.test(value()));
  }

  isKept(name: string): boolean {
    return this.#keep !== null && this.#keep.test(joined(wordsOf(name)));
  }

  #judge(name: string): Verdict {
    const words = wordsOf(name);
    const whole = joined(words);
    if (this.#keep?.test(whole)) return 'plain';
    if (this.#secret?.test(whole)) return 'secret';
    const last = words.at(-1);
    if (last === undefined) return 'plain';
    if (LAST_WORD.has(last) || ENDING.test(whole) || words.some((word) => ANYWHERE.has(word))) return 'secret';
    return WEAK.has(last) ? 'weak' : 'plain';
  }
}

/** `user%5Bnew_password2%5D` and `userNewPassword` are `user new password`. */
function wordsOf(name: string): string[] {
  return unescaped(name)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .map((word) => word.replace(/[0-9]+$/, ''))
    .filter((word) => word !== '');
}

function joined(words: readonly string[]): string {
  return words.join('');
}

function unescaped(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function anyOf(names: readonly string[]): RegExp | null {
  if (names.length === 0) return null;
  // Several stars in a row would be one, and are made one: the expression stays quick.
  const expressions = names.map((name) => name.split(/\*+/).map((part) => joined(wordsOf(part))).join('.*'));
  return new RegExp(`^(?:${expressions.join('|')})$`);
}
