/** Credentials in protocols of lines: mail, FTP, news, IRC, NATS, STOMP, rsync, and inline commands of Redis. */
import type { Direction, Span } from './span.ts';

/** Mechanisms of SASL, which may be shown; any other word could be the secret itself. */
const MECHANISM = /^"?(?:PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5|SCRAM-SHA-?\d+(?:-PLUS)?|GSSAPI|GS2-KRB5|GSS-SPNEGO|NTLM|XOAUTH2?|OAUTHBEARER|EXTERNAL|ANONYMOUS|KERBEROS_V4|OTP|SKEY|SRP|MSN)"?$/i;
/** Lines that are no answer in a dialogue of SASL: commands of SMTP, POP3, news and IRC, and those of IMAP after their tag. */
const COMMAND =
  /^(?:(?:MAIL|RCPT|EHLO|HELO|LHLO|BDAT|VRFY|EXPN|USER|PASS|APOP|RETR|DELE|TOP|UIDL|LIST|GROUP|ARTICLE|HEAD|BODY|POST|MODE|NICK|CAP|JOIN|PART|PING|PONG|OPER|PRIVMSG|NOTICE|AUTH|AUTHINFO|AUTHENTICATE) |(?:DATA|RSET|QUIT|NOOP|HELP|STARTTLS|STLS|STAT|LIST|UIDL|CAPA|POST|CAPABILITIES)$|\S{1,64} (?:UID )?(?:SELECT|EXAMINE|LIST|LSUB|STATUS|FETCH|SEARCH|STORE|COPY|MOVE|APPEND|CREATE|DELETE|IDLE|NOOP|CAPABILITY|ENABLE|NAMESPACE|ID|LOGOUT|LOGIN|AUTHENTICATE|STARTTLS|COMPRESS|CHECK|CLOSE|EXPUNGE)(?: |$))/i;

/** What stands before a secret that takes the rest of its line. */
const BEFORE: readonly RegExp[] = [
  /^(?:PASS|ACCT|ADAT|WEBIRC) +/i,
  /^APOP +\S+ +/i,
  /^AUTHINFO +(?:PASS|GENERIC) +/i,
  /^OPER +\S+ +/i,
  /^(?:(?:PRIVMSG|NOTICE|SQUERY) +[^\s#&]*(?:Serv|X|Q)(?:@\S+)? +:?|(?:NICKSERV|NS) +:?)(?:IDENTIFY|AUTH|LOGIN|REGISTER|GHOST|RECOVER|SET +PASSWORD) +/i,
  /^HELLO +\d+ +AUTH +/i,
  /^CONFIG +SET +/i,
  /^ACL +SETUSER +\S+ +/i,
  /^passcode:/i,
  /^CONNECT +(?=\{)/i,
];
const IMAP_LOGIN = /^\S{1,64} +LOGIN +/i;
const SASL = /^(?:(?:\S{1,64} +)?AUTHENTICATE|AUTHINFO +SASL|AUTH) +/i;
/** A user, and a hash of the password with the server's challenge. */
const RSYNC = /^\S+ +(?=[A-Za-z0-9+/]{20,}=*$)/;
const LITERAL = /\{(\d{1,9})\+?\}$/;
/** Challenges, and a server's proof that it knows the password, too. */
const CHALLENGE = /^(?:334|383|235|283|\+|AUTHENTICATE) +(?=[A-Za-z0-9+/]{8,}={0,2}$)/;

export function linesOf(text: string, direction: Direction, protocol: string | null): Span[] {
  const spans: Span[] = [];
  let inSasl = false;
  for (let at = 0; at < text.length; ) {
    let end = endOf(text, at);
    const line = text.slice(at, end);
    const span = (start: number): void => void spans.push({ start, end });
    if (direction === 'down') {
      const challenge = CHALLENGE.exec(line);
      if (challenge) span(at + challenge[0].length);
      at = nextOf(text, end);
      continue;
    }
    if (inSasl && line !== '' && !COMMAND.test(line)) {
      span(at);
      at = nextOf(text, end);
      continue;
    }
    if (line !== '') inSasl = false;
    const sasl = SASL.exec(line);
    const login = sasl ? null : IMAP_LOGIN.exec(line);
    const before = sasl || login ? null : firstMatch(line, protocol === 'rsync' ? [RSYNC] : BEFORE);
    if (sasl) {
      const word = /^\S+/.exec(line.slice(sasl[0].length))?.[0] ?? '';
      const isMechanism = MECHANISM.test(word);
      const isTls = /^(?:TLS(?:-[CP])?|SSL)$/i.test(word);
      if (!isTls) span(at + sasl[0].length + (isMechanism ? /^\S+ */.exec(line.slice(sasl[0].length))![0].length : 0));
      inSasl = !isTls && (isMechanism || (protocol !== null && protocol !== 'redis'));
    } else if (login) {
      // Its words may be literals (RFC 9051, section 4.3), which lie after the line, in bytes that are counted.
      for (let literal = LITERAL.exec(line); literal !== null && end < text.length; ) {
        const from = nextOf(text, end) + Number(literal[1]);
        end = endOf(text, from);
        literal = from < text.length ? LITERAL.exec(text.slice(from, end)) : null;
      }
      span(at + login[0].length);
    } else if (before !== null) {
      span(at + before.length);
    }
    at = nextOf(text, end);
  }
  return spans;
}

/** Credentials that stand within other text: in SQL, in XMPP, and a server's proof of SCRAM (RFC 5802, section 7). */
export function fieldsOf(text: string): Span[] {
  const spans: Span[] = [];
  const fields = /(?<=\b(?:PASSWORD|IDENTIFIED\s{1,8}BY)\s{0,8}(?:[=(]\s{0,8})?[EN]?')(?:[^'\\]|''|\\[^])+|(?<=<(?:auth|response|success|challenge)\b[^<>]{0,400}>)[^<]+|(?<=\bv=)[A-Za-z0-9+/]{20,}={0,2}/gi;
  for (const { index, 0: secret } of text.matchAll(fields)) spans.push({ start: index, end: index + secret.length });
  return spans;
}

function firstMatch(line: string, expressions: readonly RegExp[]): string | null {
  for (const expression of expressions) {
    const found = expression.exec(line);
    if (found !== null) return found[0];
  }
  return null;
}

/** Where the line ends, without its CR and LF. */
function endOf(text: string, at: number): number {
  const lf = text.indexOf('\n', at);
  if (lf === -1) return text.length;
  return lf > at && text[lf - 1] === '\r' ? lf - 1 : lf;
}

function nextOf(text: string, end: number): number {
  const lf = text.indexOf('\n', end);
  return lf === -1 ? text.length : lf + 1;
}
