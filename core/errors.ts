/**
 * The one table of errors. Every failure that a user, a record or a client of the proxy can see
 * has a code here, with what it means and what to do; `docs/errors.md` is checked against it.
 *
 * `{name}` in a message is filled from the params given to `MentuError`.
 * `status` is the HTTP status used when the error is answered to a client in the origin's place.
 */
export interface ErrorEntry {
  readonly message: string;
  readonly remedy: string;
  readonly status?: number;
}

export const ERRORS = {
  // Decisions: a policy or the dialler said no.
  denied: {
    message: 'The request to {host} is denied by {rule}.',
    remedy: 'Add the host to sandbox.allowedDomains, or remove it from sandbox.deniedDomains, if the job may contact it.',
    status: 403,
  },
  host_mismatch: {
    message: 'The connection is for {destination} but the request names {name}.',
    remedy: 'Let the client use one name for the connection, its TLS server name and its Host; an allow list holds for all of them.',
    status: 403,
  },
  address_denied: {
    message: 'The address {address} of {host} is not public, and core dials no other.',
    remedy: 'Pin the name or the address under interceptor.hosts in the profile, if the job may reach private space there.',
    status: 403,
  },
  decision_failed: {
    message: 'The plugin {plugin} failed while deciding: {reason}.',
    remedy: 'Mend the plugin; a decision that cannot be made is a denial.',
    status: 403,
  },

  // The client's side.
  bad_request: {
    message: 'The request is malformed: {reason}.',
    remedy: 'Mend the client; the request was not forwarded.',
    status: 400,
  },
  client_aborted: {
    message: 'The client went away before the exchange was complete.',
    remedy: 'Nothing to mend here; look at why the client stopped.',
  },
  client_rejected_certificate: {
    message: 'The client refused our certificate for {host}: {reason}.',
    remedy: 'Let the client trust the job CA, or add the host to interceptor.passthrough to leave it undecrypted.',
  },
  client_tls_failed: {
    message: 'The TLS handshake with the client failed: {reason}.',
    remedy: 'Check the TLS versions and ciphers that the client offers.',
  },
  no_request: {
    message: 'The connection ended before a request was made.',
    remedy: 'Nothing to mend here unless the client was expected to send one.',
  },
  protocol_unsupported: {
    message: 'The connection speaks neither TLS nor HTTP.',
    remedy: 'Use HTTP or HTTPS; other protocols are recorded as refused.',
  },

  // The upstream side.
  name_not_found: {
    message: 'The name {host} does not resolve: {reason}.',
    remedy: 'Check the name, the resolver of the host, or pin the name under interceptor.hosts.',
    status: 502,
  },
  connect_failed: {
    message: 'No connection to {host} ({address}): {reason}.',
    remedy: 'Check that the server runs and is reachable from the host.',
    status: 502,
  },
  connect_timeout: {
    message: 'No connection to {host} ({address}) within {seconds} s.',
    remedy: 'Check that the server runs and is reachable from the host.',
    status: 504,
  },
  upstream_tls_failed: {
    message: 'The TLS handshake with {host} failed: {reason}.',
    remedy: 'Check the TLS versions and ciphers that the server offers.',
    status: 502,
  },
  upstream_certificate_invalid: {
    message: 'The certificate of {host} is not valid: {reason}.',
    remedy: 'If the server uses a private CA, name its file under interceptor.trustedCAs.',
    status: 502,
  },
  upstream_aborted: {
    message: 'The server ended the exchange before the response was complete: {reason}.',
    remedy: 'Look at the server; what came before is in the record.',
    status: 502,
  },
  upstream_protocol_error: {
    message: 'The response of {host} is malformed: {reason}.',
    remedy: 'Mend the server; what came before is in the record.',
    status: 502,
  },
  upstream_proxy_failed: {
    message: 'The upstream proxy {proxy} did not connect us to {host}: {reason}.',
    remedy: 'Check interceptor.upstreamProxy, its credentials and that it runs.',
    status: 502,
  },
  proxy_loop: {
    message: 'The request would lead back to this proxy itself.',
    remedy: 'Name another server; a proxy never proxies to itself.',
    status: 403,
  },
  shutting_down: {
    message: 'The capture ended while the exchange was under way.',
    remedy: 'Nothing to mend here; the job was over.',
    status: 503,
  },

  // Names, pins and the dialler, at load.
  host_pattern_invalid: {
    message: 'The host pattern {pattern} is invalid: {reason}.',
    remedy: 'Write a host (example.com), its subdomains (*.example.com), an address or *, each with an optional :port.',
  },
  host_pin_invalid: {
    message: 'The pin {name} to {target} is invalid: {reason}.',
    remedy: 'Under interceptor.hosts, write a name or an address, and the address with an optional port that it leads to: "api.example.com": "127.0.0.1:8443".',
  },
  upstream_proxy_invalid: {
    message: 'The upstream proxy {proxy} is invalid: {reason}.',
    remedy: 'Write http://host:port, https://host:port or socks5://host:port, with user:password@ before the host where the proxy wants it.',
  },

  // Plugins, at load.
  unknown_hook: {
    message: 'The plugin {plugin} taps an unknown hook, {hook}.',
    remedy: 'Known hooks: {known}.',
  },

  // The command line.
  unknown_command: {
    message: 'There is no command "{command}".',
    remedy: '{remedy} See "{program} --help".',
  },
  unknown_flag: {
    message: 'There is no flag {flag}.',
    remedy: '{near}{help}',
  },
  bad_flag: {
    message: '{flag} {reason}.',
    remedy: '{help}',
  },
  bad_arguments: {
    message: 'The arguments are not understood: {reason}.',
    remedy: '{help}',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export type ErrorParams = Readonly<Record<string, string | number>>;

export interface ErrorPlace {
  /** The file that holds the mistake, as the user named it. */
  readonly file?: string | undefined;
  /** 1-based. */
  readonly line?: number | undefined;
  /** 1-based. */
  readonly column?: number | undefined;
}

/** An error of the table: what happened, where, and how to mend it. */
export class MentuError extends Error {
  readonly code: ErrorCode;
  readonly params: ErrorParams;
  readonly place: ErrorPlace | undefined;

  constructor(code: ErrorCode, params: ErrorParams = {}, options: { cause?: unknown; place?: ErrorPlace } = {}) {
    super(
      fill(ERRORS[code].message, params),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'MentuError';
    this.code = code;
    this.params = params;
    this.place = options.place;
  }

  get remedy(): string {
    return fill(ERRORS[this.code].remedy, this.params);
  }

  /** `file:line:column: message [code]. remedy` as the CLI prints it. */
  override toString(): string {
    const at = this.place?.file
      ? [this.place.file, this.place.line, this.place.column].filter((part) => part !== undefined).join(':') + ': '
      : '';
    return `${at}${this.message} [${this.code}] ${this.remedy}`;
  }
}

function fill(text: string, params: ErrorParams): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** The HTTP status with which the error is answered in the origin's place; 502 where the table names none. */
export function statusOf(code: ErrorCode): number {
  return (ERRORS[code] as ErrorEntry).status ?? 502;
}
