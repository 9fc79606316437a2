/** Secrets that are known by their shape, wherever they stand. */
import { MentuError } from '../../core/index.ts';
import { MASK, where, type Finder } from './mask.ts';

/**
 * Each shape begins where no letter, digit, dash or underscore comes before it, so that a long run of such
 * characters is looked at once; none repeats a group that repeats. Both keep the time linear in the text.
 */
const SHAPES = [
  // JSON Web Tokens, signed or encrypted (RFC 7515, RFC 7516).
  String.raw`eyJ[\w-]{8,}\.[\w-]{2,}\.[\w-]*(?:\.[\w-]+\.[\w-]+)?`,
  // AWS access key ids.
  String.raw`A[KS]IA[A-Z0-9]{16}(?![\w])`,
  // GitHub, GitLab.
  String.raw`gh[pousr]_[A-Za-z0-9]{20,}`,
  String.raw`github_pat_\w{20,}`,
  String.raw`glpat-[\w-]{16,}`,
  // OpenAI, Anthropic, Hugging Face.
  String.raw`sk-[\w-]{20,}`,
  String.raw`hf_[A-Za-z0-9]{30,}`,
  // Slack: tokens and webhooks.
  String.raw`xox[a-z]-[A-Za-z0-9-]{10,}`,
  String.raw`xapp-[A-Za-z0-9-]{10,}`,
  String.raw`hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{20,}`,
  // Google: keys, access tokens, refresh tokens, client secrets.
  String.raw`AIza[\w-]{30,}`,
  String.raw`ya29\.[\w-]{20,}`,
  String.raw`1//0[\w-]{30,}`,
  String.raw`GOCSPX-[\w-]{20,}`,
  // Stripe.
  String.raw`[rsp]k_(?:live|test)_[A-Za-z0-9]{10,}`,
  String.raw`whsec_[A-Za-z0-9+/=]{20,}`,
  // npm, PyPI, SendGrid, DigitalOcean.
  String.raw`npm_[A-Za-z0-9]{30,}`,
  String.raw`pypi-[\w-]{50,}`,
  String.raw`SG\.[\w-]{16,}\.[\w-]{16,}`,
  String.raw`do[por]_v1_[a-f0-9]{40,}`,
];

/** None of the shapes is shorter. Characters. */
const SHORTEST = 8;

/** Private keys in PEM, also with its line ends written as \n; an END that is missing is not waited for. */
const PRIVATE_KEY = String.raw`-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[A-Za-z0-9+/=\s\\:,.-])*(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?`;
/** Credentials after their scheme (RFC 9110, section 11.4). */
const CREDENTIALS = String.raw`(?<=\bbearer {1,4})[\w.~+/-]{16,}=*|(?<=\bbasic {1,4})[A-Za-z0-9+/]{12,}=*`;
/** User and password in an address (RFC 3986, section 3.2.1). */
const USERINFO = String.raw`(?<=[a-z0-9+.-]:(?:\\?/){2})[^\s/?#"'<>\\]{1,512}(?=@)`;

/** Where a user's pattern takes longer than this for one text, the text is not shown at all. Milliseconds. */
const PATTERN_TIME = 1000;

export function tokenShapes(): Finder[] {
  return [
    matches(new RegExp(`(?<![\\w-])(?:${SHAPES.join('|')})|${PRIVATE_KEY}`, 'g')),
    where(' ', matches(new RegExp(CREDENTIALS, 'gi'))),
    where('@', matches(new RegExp(USERINFO, 'gi'))),
  ];
}

function matches(expression: RegExp): Finder {
  return (text, from) => {
    if (text.length < SHORTEST) return null;
    expression.lastIndex = from;
    for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
      if (match[0] === MASK) continue;
      return { begin: match.index, start: match.index, end: expression.lastIndex, mask: MASK };
    }
    return null;
  };
}

/**
 * Finders of a user's patterns, in RE2 syntax: each search takes time linear in the text, whatever the pattern.
 * Throws `redact_pattern_invalid` for one that cannot be used.
 */
export async function userPatterns(patterns: readonly string[]): Promise<Finder[]> {
  if (patterns.length === 0) return [];
  const { RE2JS } = await import('re2js');
  return patterns.map((pattern) => {
    const refuse = (reason: string, cause?: unknown) => new MentuError('redact_pattern_invalid', { pattern, reason }, { cause });
    if (/[^\x20-\x7e]/.test(pattern)) throw refuse('it has characters outside ASCII');
    let compiled;
    try {
      compiled = RE2JS.compile(pattern);
    } catch (error) {
      throw refuse((error as Error).message, error);
    }
    if (compiled.matches('')) throw refuse('it matches nothing at all');
    let text: string | null = null;
    let matcher = compiled.matcher('');
    let deadline = 0;
    return (searched, from) => {
      if (searched !== text) {
        text = searched;
        matcher = compiled.matcher(searched);
        deadline = performance.now() + PATTERN_TIME;
      }
      if (performance.now() > deadline) throw new Error(`the pattern ${pattern} takes too long`);
      for (let found = matcher.find(from); found; found = matcher.find()) {
        const [start, end] = [matcher.start(), matcher.end()];
        if (end > start) return { begin: start, start, end, mask: MASK };
      }
      text = null;
      return null;
    };
  });
}
