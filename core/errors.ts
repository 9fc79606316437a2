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
  ech_unjudgeable: {
    message: 'The client hides a server name (Encrypted ClientHello) from {host}, which is passed through, so that no list can judge it.',
    remedy: 'Turn ECH off in the client, or write {"host": "{host}", "allowEch": true} under interceptor.passthrough.',
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
  upgrade_unsupported: {
    message: 'The client asks for the protocol {protocol} in a stream, and only "websocket" is served there.',
    remedy: 'Use another transport: what such a stream carries would lead past the decision on its destination.',
    status: 501,
  },
  client_aborted: {
    message: 'The client went away before the exchange was complete.',
    remedy: 'Nothing to mend here; look at why the client stopped.',
  },
  client_rejected_certificate: {
    message: 'The client refused our certificate for {host}: {reason}. This would leave it undecrypted: "passthrough": ["{pattern}"].',
    remedy: 'Let the client trust the job CA; or, where it pins a certificate of its own, add to the profile: "interceptor": {"passthrough": ["{pattern}"]}.',
  },
  client_certificate_missing: {
    message: 'The client showed no certificate, and interceptor.clientAuth requires one for {host}.',
    remedy: 'Give the client a certificate (curl --cert), or set "require": false to record only who shows one.',
    status: 403,
  },
  client_certificate_invalid: {
    message: 'The certificate of the client, {subject}, is not accepted for {host}: {reason}.',
    remedy: 'Let the client show a certificate that leads to the CA which interceptor.clientAuth names.',
    status: 403,
  },
  client_tls_failed: {
    message: 'The TLS handshake with the client failed: {reason}.',
    remedy: 'Check the TLS versions and ciphers that the client offers.',
  },
  no_request: {
    message: 'The connection ended before a request was made.',
    remedy: 'Nothing to mend here unless the client was expected to send one.',
  },
  too_many_connections: {
    message: 'The connection was refused: {limit} others are open.',
    remedy: 'Close connections that are not needed, or raise the limit of open files ("ulimit -n") of mentu-runtime.',
  },
  udp_denied: {
    message: 'UDP to {host} on port {port} was refused.',
    remedy: 'Of UDP, only DNS and HTTP/3 leave a guest. Let the client use TCP.',
  },
  http3_unavailable: {
    message: 'HTTP/3 was refused, because QUIC cannot be spoken here: {reason}.',
    remedy: 'Nothing to mend where clients fall back to TCP. For HTTP/3, install the optional package @matrixai/quic for this platform (npm install --include=optional).',
  },
  protocol_unsupported: {
    message: 'A plugin answered a connection that speaks neither TLS nor HTTP, in which there is no answer.',
    remedy: 'Let the plugin allow or deny such connections: their protocol is raw.',
  },

  dns_malformed: {
    message: 'The look-up of a name cannot be read: {reason}.',
    remedy: 'Look at the client; whatever is no DNS has no way out on port 53.',
  },
  dns_unsupported: {
    message: 'The look-up asks for what is not served: {what}.',
    remedy: 'Nothing to mend here unless the client depends on it: records of the class IN are looked up, one name at a time.',
  },
  dns_over_tls_refused: {
    message: 'The connection to {host} for DNS over TLS was refused.',
    remedy: 'Nothing to mend here: clients fall back to port 53, whose answers give each connection its name. If one does not, let it ask without TLS.',
  },
  too_many_lookups: {
    message: 'The look-up was not made: {limit} others are under way.',
    remedy: 'Let the client ask for fewer names at a time; one that asks for thousands of them may be a tunnel.',
  },
  names_exhausted: {
    message: 'There is no address left to stand for another name: {count} are given out.',
    remedy: 'Look at the names in the record; one job seldom has use for so many.',
  },

  // The upstream side.
  dns_lookup_failed: {
    message: 'The name {host} was not looked up: {reason}.',
    remedy: 'Check the resolver of the host (/etc/resolv.conf), or name another under interceptor.dnsServers.',
  },
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
  client_certificate_required: {
    message: '{host} asks for a client certificate, and none is configured for it; {authorities}.',
    remedy: 'Name one in the profile: "interceptor": {"clientCertificates": [{"host": "{host}", "cert": "client.pem", "key": "client.key"}]}.',
    status: 502,
  },
  client_certificate_rejected: {
    message: '{host} refused our client certificate {subject}: {reason}.',
    remedy: 'Check under interceptor.clientCertificates that it is of a CA that the server accepts, still valid, and meant for clients.',
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
  name_server_invalid: {
    message: '{server} is no address of a DNS server.',
    remedy: 'Write an address with an optional port: "192.0.2.53", "127.0.0.1:5353", "[2001:db8::53]:53".',
  },
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

  // The record's bodies.
  bodies_over_quota: {
    message: 'The files of bodies have reached the quota of {quota} bytes; longer bodies are recorded truncated from here on.',
    remedy: 'Raise interceptor.bodyQuota in the profile if whole bodies are wanted.',
  },
  body_not_stored: {
    message: 'A body could not be written to a file: {reason}.',
    remedy: 'Check the space and the rights of the job directory; the record keeps the beginning of the body.',
  },
  record_not_writable: {
    message: 'The record {path} cannot be opened: {reason}.',
    remedy: 'Check the rights of the job directory; the record must be a regular file, and no symbolic link is followed.',
  },
  record_incomplete: {
    message: '{lines} flows are missing from {path}: {reason}.',
    remedy: 'Free space on the disk; every other line of the record is whole.',
  },
  key_log_incomplete: {
    message: 'The key log {path} lacks lines: {reason}.',
    remedy: 'Free space on the disk; connections whose lines are missing cannot be decrypted.',
  },
  packets_incomplete: {
    message: 'The packet capture {path} lacks packets: {reason}.',
    remedy: 'What it has can be read. Its size is bounded by interceptor.bodyQuota; packets are dropped where the machine is too busy to write them.',
  },
  lookups_dropped: {
    message: '{count} look-ups of names got no answer and have no line: they came faster than flows could be recorded.',
    remedy: 'Look at what the command asks for so often; every look-up that was answered is in the record.',
  },
  bodies_unsafe: {
    message: '{path} is not a folder of its own (a file, or a symbolic link).',
    remedy: 'Remove it, or name another job directory with --job-dir.',
  },

  // Settings: profile, preset, mentu.yaml and the files that they name.
  file_unreadable: {
    message: 'The {what} {file} cannot be read: {reason}.',
    remedy: 'Check the path, which is relative to the file that names it (~ is not expanded), and its permissions.',
  },
  settings_syntax: {
    message: 'This is not valid {language}: {reason}.',
    remedy: 'Mend the file at this place.',
  },
  settings_duplicate_key: {
    message: 'The key `{key}` is given twice.',
    remedy: 'Keep one of them.',
  },
  settings_duplicate_host: {
    message: 'In {list}, {host} is named twice (before as {first}).',
    remedy: 'Keep one entry for it.',
  },
  settings_unknown_key: {
    message: 'Unknown key `{key}`{where}{near}',
    remedy: '{known}',
  },
  settings_missing_key: {
    message: '{where} lacks the key `{key}`.',
    remedy: 'Add it.',
  },
  settings_wrong_value: {
    message: '{where} must be {expected}, not {actual}.',
    remedy: '{hint}',
  },
  command_missing: {
    message: 'There is no command to run.',
    remedy: 'Name it on the command line after `--`, or under the key `command` of the profile.',
  },
  restart_policy_unsupported: {
    message: 'The restart policy {policy} is not supported.',
    remedy: 'Write "no", "on-failure" or "on-failure:N" with N times at most.',
  },
  port_forward_invalid: {
    message: 'The port "{entry}" {reason}.',
    remedy: 'Write "8080:80" for port 8080 of the host and port 80 of the guest, or "3000" for the same on both sides.',
  },
  mount_source_missing: {
    message: 'The mount source {source} cannot be used: {reason}.',
    remedy: 'Name a file or folder of the host, absolute or relative to the profile; ~ is not expanded.',
  },
  mount_destination_invalid: {
    message: 'The mount destination {destination} {reason}.',
    remedy: 'Name an absolute path in the guest, once, such as "/work".',
  },
  trusted_ca_invalid: {
    message: 'The CA file {file} holds no usable certificate: {reason}.',
    remedy: 'Give PEM: one or more blocks that begin with -----BEGIN CERTIFICATE-----.',
  },
  client_certificate_unusable: {
    message: 'The client certificate for {host} cannot be used: {reason}.',
    remedy: 'Give `cert` and `key` in PEM (they may be one file), or `pkcs12`; and under `passphraseEnv` the variable of the host with the passphrase, where there is one.',
  },
  client_certificate_expired: {
    message: 'The client certificate for {host} is not valid {when}.',
    remedy: 'Renew it; until then servers will refuse it.',
  },
  preset_unknown: {
    message: 'There is no preset `{preset}`{near}.',
    remedy: 'Presets: {known}. A preset of your own is named by its path, such as ./my-preset.yaml.',
  },
  preset_cycle: {
    message: 'The preset extends itself: {chain}.',
    remedy: 'Take one `extends` out of the circle.',
  },
  config_symlink: {
    message: '{file} is a symbolic link, and what it leads to may change unseen.',
    remedy: 'Put the file itself here.',
  },
  config_untrusted: {
    message: '{file} {reason}, and {state}.',
    remedy: 'Read {files}; if it is yours to trust, run `mentu-runtime config trust`.',
  },
  trust_store_unsafe: {
    message: 'The trust file {file} cannot be relied on: {reason}.',
    remedy: 'Look who wrote it; then remove it and run `mentu-runtime config trust` anew.',
  },

  // Domain lists.
  allow_list_missing: {
    message: 'The preset {preset} denies every host that no list allows, and no list says what is allowed.',
    remedy: 'Add sandbox.allowedDomains to the profile, or name hosts with --allow; [] allows none.',
  },

  // Key log and packet capture.
  keylog_with_redact: {
    message: '{setting} is set, and the plugin redact is listed at {redact}: whoever has the keys reads what redact takes out of the record.',
    remedy: 'Leave one of them out: take {setting} away, or run the job with a preset that does not list redact.',
  },
  pcap_without_guest: {
    message: 'interceptor.pcap is set by {source}, and there is no guest here whose packets could be captured.',
    remedy: 'Run the command with mentu-runtime exec --interceptor, or take interceptor.pcap away; interceptor.keyLog works here too.',
  },
  packets_unavailable: {
    message: "The guest's packets cannot be captured: {reason}.",
    remedy: '{mend}, or take interceptor.pcap away.',
  },

  // Redaction.
  redact_pattern_invalid: {
    message: 'The redaction pattern {pattern} is not usable: {reason}.',
    remedy: 'Mend it under `patterns` of the redact plugin. RE2 syntax in ASCII: no look-around, no back-references, and it must not match nothing.',
  },

  // Plugins, at load.
  plugin_not_found: {
    message: 'There is no plugin `{plugin}`: {reason}{near}.',
    remedy: 'Built-in plugins: {known}. Others are named by a path relative to the file (./my-plugin) or as an npm package that is installed.',
  },
  plugin_import_failed: {
    message: 'The plugin `{plugin}` cannot be loaded: {reason}.',
    remedy: 'Mend {file}.',
  },
  plugin_invalid: {
    message: 'What {file} exports is no capture plugin: {reason}.',
    remedy: 'Export defineCapturePlugin({name, options, setup}) as default.',
  },
  plugin_duplicate: {
    message: 'Two plugins are named `{plugin}`: {first} and {second}.',
    remedy: 'Give one of them another name, or list it once.',
  },
  plugin_not_vouched: {
    message: 'The module {file} is not among the files that were trusted, or has changed since.',
    remedy: 'Read it; if it is yours to trust, run `mentu-runtime config trust`. A file that is imported by a computed name must lie in the folder of the plugin.',
  },
  plugin_name_invalid: {
    message: 'A plugin cannot be named `{name}`: {reason}.',
    remedy: 'Take a name of lower-case letters, digits and dashes that begins with a letter.',
  },
  scaffold_exists: {
    message: '{folder} is there already, and nothing was written.',
    remedy: 'Take another name, or another folder with --dir.',
  },
  plugin_not_inherited: {
    message: 'There is no inherited plugin `{plugin}` to leave out{near}.',
    remedy: 'Inherited: {known}.',
  },
  plugin_setup_failed: {
    message: 'The plugin {plugin} failed in setup: {reason}.',
    remedy: 'Mend the plugin or its options.',
  },
  unknown_hook: {
    message: 'The plugin {plugin} taps an unknown hook, {hook}.',
    remedy: 'Known hooks: {known}.',
  },

  // The store of signals.
  store_corrupt: {
    message: 'The store of signals {file} is damaged, or no database: {reason}.',
    remedy: 'Move it away (with its -wal and -shm) and fill a new one: mentu cir ingest FOLDER… of the jobs whose record is kept. Signals captured by hand are in no such record.',
  },
  store_foreign: {
    message: 'The file {file} is a database of another program.',
    remedy: 'Move it away, or name another folder by MENTU_HOME; it was not changed.',
  },
  store_newer: {
    message: 'The store of signals {file} was written by a newer version of this program (schema {version}, known here: {known}).',
    remedy: 'Use that version, or name another folder by MENTU_HOME; the file was not changed.',
  },
  store_busy: {
    message: 'The store of signals {file} was locked by another process for more than {seconds} s.',
    remedy: 'Try again; look for a program that holds the file open, such as a database browser in mid-edit.',
  },
  store_full: {
    message: 'The store of signals {file} cannot grow: {reason}.',
    remedy: 'Make room on the disk; mentu cir ingest FLOWS.JSONL completes the store afterwards.',
  },
  store_unusable: {
    message: 'The store of signals {file} cannot be used: {reason}.',
    remedy: 'Check that the folder exists, is yours and is writable, or name another by MENTU_HOME.',
  },
  bad_search: {
    message: 'The search "{text}" has no word in it.',
    remedy: 'Search for words: letters and digits, "several in a row", or begin* of one.',
  },
  bad_time: {
    message: '"{text}" is no point in time.',
    remedy: 'Write how long ago (90s, 15m, 24h, 7d, 2w), a date (2026-03-01) or a time (2026-03-01T12:00:00Z).',
  },
  bad_signal: {
    message: 'The signal cannot be stored: {reason}.',
    remedy: 'Mend it and capture it again; nothing was stored.',
  },

  // The filter language.
  bad_filter: {
    message: 'The filter is not understood at column {column}: {reason}.',
    remedy: 'Write it like: status>=400 and (host~example or method=POST)\n  {excerpt}\n  {pointer}',
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

  // Our own certificate authority.
  ca_invalid: {
    message: 'The kept certificate authority cannot be used: {reason}.',
    remedy: 'Remove the files from the --ca-dir folder to have a new one made, and trust that.',
  },

  // The guest engines.
  engine_unavailable: {
    message: 'The engine {engine} cannot run here: {reason}.',
    remedy: '{mend}',
  },
  engine_failed: {
    message: 'The engine could not start or keep the guest: {reason}.',
    remedy: 'Run "mentu-runtime engine doctor"; it tests each part of the sandbox.',
  },
  engine_helper_lost: {
    message: "The helper process that holds the guest's network is lost: {reason}.",
    remedy: 'The guest ended with it; run the job again, and "mentu-runtime doctor" if it happens twice.',
  },
  engine_stdio_refused: {
    message: 'Descriptor {fd} of this process is a folder, and a guest could leave its root through it.',
    remedy: 'Redirect stdin, stdout and stderr to files, pipes or a terminal.',
  },
  engine_mount_refused: {
    message: 'The mount of {source} on {destination} is refused: {reason}.',
    remedy: 'Change the mount in the profile.',
  },
  engine_rootfs_refused: {
    message: 'The root {path} is refused: {reason}.',
    remedy: 'Name another folder, or an image saved in a tar, as `rootfs` in the profile.',
  },
  engine_image_invalid: {
    message: 'The image {file} cannot be used: {reason}.',
    remedy: 'Save it again, with "docker save" or as an OCI layout in a tar (not compressed as a whole), or name a folder with its files.',
  },
  engine_image_platform: {
    message: 'The image {file} is for {found}, and this machine is {wanted}.',
    remedy: 'Save the image of this platform: docker pull --platform {wanted}, and then docker save.',
  },
  engine_limit_refused: {
    message: 'The engine {engine} cannot give a guest {limit}: {reason}.',
    remedy: 'Change the limit in the profile.',
  },
  engine_hidden_missing: {
    message: 'The path {path} is to be hidden from the guest but does not exist.',
    remedy: 'Create it first; what is not there cannot be covered.',
  },
  engine_share_too_large: {
    message: 'The mount of {source} holds more than {limit} entries, too many to look for files that guests must not see.',
    remedy: 'Mount the folders that the job needs instead of the whole tree.',
  },
  engine_share_too_many_covers: {
    message: 'The mount of {source} holds more than {limit} sockets, FIFOs and masked files.',
    remedy: 'Mount the folders that the job needs instead of the whole tree.',
  },

  // Kernels for guests that are virtual machines.
  kernel_unusable: {
    message: 'The kernel {file} cannot be used: {reason}.',
    remedy: '{mend}',
  },
  kernel_store_unsafe: {
    message: 'The folder {folder} cannot keep kernels: {reason}.',
    remedy: 'Remove it and run "mentu-runtime engine setup qemu" again, or name another folder by MENTU_HOME.',
  },
  engine_setup_failed: {
    message: 'The engine {engine} could not be set up: {reason}.',
    remedy: '{mend}',
  },

  // Jobs.
  job_folder_unsafe: {
    message: 'The folder {path} cannot take a job: {reason}.',
    remedy: 'Remove it, or name another folder by --job-dir; a link there may have been made by a guest.',
  },
  job_folder_taken: {
    message: 'The folder {path} holds the record of another job.',
    remedy: 'Name an empty folder by --job-dir.',
  },
  lists_without_interceptor: {
    message: 'The domain lists ({source}) would not hold: without the interceptor the guest has plain outbound network.',
    remedy: 'Add --interceptor (in a recipe, enableInterception), or take the network away by networkMode "none" (--network none).',
  },
  ports_without_network: {
    message: 'The ports ({ports}) cannot be reached: the guest has no network (networkMode "none", without the interceptor).',
    remedy: 'Use networkMode "nat", add --interceptor, or leave the ports out.',
  },
  port_taken: {
    message: 'The job cannot listen on {address}: {reason}.',
    remedy: 'Free the port, or lead another one to the guest by `ports` or --port.',
  },
  listen_failed: {
    message: 'The proxy cannot listen on {address}: {reason}.',
    remedy: 'Name another address or port by {flag}.',
  },
  unknown_engine: {
    message: 'There is no engine {engine}.',
    remedy: 'Engines: {near}.',
  },
  engine_choice_unusable: {
    message: 'The file {file}, which names the default engine, cannot be used: {reason}.',
    remedy: 'Remove it, and choose again by "mentu-runtime engine switch NAME".',
  },
  no_engine: {
    message: 'No guest engine works on {platform} yet.',
    remedy: 'Use "mentu-runtime proxy" for tools outside a guest, or run on Linux.',
  },

  // Recipes.
  recipe_unknown: {
    message: 'There is no recipe `{recipe}`{near}.',
    remedy: 'Recipes in {folders}: {known}. A file elsewhere is named by its path, such as ./my-recipe.json.',
  },
  recipe_step_invalid: {
    message: 'The step {step} cannot be run: {reason}.',
    remedy: '{mend}',
  },
  recipe_step_duplicate: {
    message: 'The name {name} is taken by the step at {first}.',
    remedy: 'Give each step a name of its own; a step without one is called by its number, step-1 for the first.',
  },
  recipe_variable_unknown: {
    message: 'The variable {name} has no value{near}.',
    remedy: 'Give it by --var {name}=VALUE, or write a second $ before it where the text itself is meant.',
  },
  recipe_requires: {
    message: 'The recipe {recipe} lacks what it requires: {lacking}.',
    remedy: 'Install the programs and set the variables; nothing was run.',
  },
  run_folder_unsafe: {
    message: 'The folder {path} cannot take a run: {reason}.',
    remedy: 'Remove it, or run the recipe in another directory; a link there may have been made by a guest.',
  },
  run_path_moved: {
    message: 'The path {path} {how}.',
    remedy: 'An earlier step has changed it since the run began, perhaps a guest that wants out; look at what it did.',
  },
  run_record_not_written: {
    message: 'The state of the run cannot be written to {file}: {reason}.',
    remedy: 'Check the space and the rights of the folder; the run goes on, and the folders of its steps are not concerned.',
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
  /** JSON pointer (RFC 6901) to the part of the file. */
  readonly pointer?: string | undefined;
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

  /** `file:line:column: message [code]. remedy` as the CLI prints it; a JSON pointer stands after the column. */
  override toString(): string {
    const { file, line, column, pointer } = this.place ?? {};
    const at = file ? [file, line, column].filter((part) => part !== undefined).join(':') + (pointer ? ` ${pointer}` : '') + ': ' : '';
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
