/** The parts that a profile and `mentu.yaml` share: each is checked, typed and published from here. */
import { tlsProperties } from './tls-schema.ts';

const patterns = (description: string) => ({ type: 'array', items: { type: 'string', minLength: 1 }, description }) as const;

/** Bytes of one body, or of the beginning of a connection, that a line of the record may hold: it is one text in memory. */
export const LINE_LIMIT_MAX = 64 * 1024 * 1024;

const byteSize = (description: string) => ({ type: ['integer', 'string'], minimum: 0, description: `${description} A number of bytes, or a size such as "64KiB", "1MiB" or "2GB".` }) as const;

export const recordProperties = {
  bodyLimit: { ...byteSize('Bodies longer than this are cut in their line of flows.jsonl and lie whole in bodies/. At most 64MiB.'), maximum: LINE_LIMIT_MAX },
  streamLimit: { ...byteSize('The first bytes of each direction that a raw TCP connection shows in its line of flows.jsonl. At most 64MiB.'), maximum: LINE_LIMIT_MAX },
  bodyQuota: byteSize('The most that the bodies/ of one job may hold. Bodies beyond it are only the beginning in their line, which says so.'),
} as const;

export const interceptorProperties = {
  hosts: {
    type: 'object',
    additionalProperties: { type: 'string', minLength: 1 },
    description: 'Pins a name, or an address that the guest may dial, to an address with an optional port: {"api.internal": "10.0.0.5:8443"}. The one way to reach private space upstream.',
  },
  trustedCAs: {
    type: 'array',
    items: { type: 'string', minLength: 1 },
    description: 'Files of PEM certificates that are trusted upstream beside the CAs of Node and of the system. Relative to this file.',
  },
  ...recordProperties,
  keyLog: { type: 'boolean', description: 'True writes the secrets of every TLS connection, on both sides, to keys.log in the job folder (NSS key log format). Not together with the plugin redact. Default: false.' },
  pcap: { type: 'boolean', description: "True writes the guest's packets to traffic.pcapng in the job folder, with the keys inside, so that Wireshark shows them decrypted. Needs tcpdump. Not together with the plugin redact. Default: false." },
  dnsServers: {
    type: 'array',
    minItems: 1,
    items: { type: 'string', minLength: 1 },
    description: 'The DNS servers that names are looked up at, each an address with an optional port. Default: those of the host.',
  },
  ...tlsProperties,
  upstreamProxy: {
    type: 'string',
    minLength: 1,
    description: 'The proxy through which our own connections go: http://, https:// or socks5://, with user and password if it asks for them.',
  },
} as const;

export const sandboxSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'Which hosts the job may contact. A denied host beats an allowed one.',
  properties: {
    allowedDomains: patterns('Only these hosts are allowed: example.com (that host), *.example.com (its subdomains), * (all), each with an optional :port. Absent: all; empty: none.'),
    deniedDomains: patterns('These hosts are denied: example.com (that host), *.example.com (its subdomains), * (all), each with an optional :port.'),
  },
} as const;

export const jobProperties = {
  command: { type: 'string', minLength: 1, description: 'The program to run, looked up in the PATH of the guest.' },
  args: { type: 'array', items: { type: 'string' }, description: 'The arguments of the command.' },
  env: { type: 'object', additionalProperties: { type: 'string' }, description: "Environment variables of the command. Nothing of the host's environment comes along." },
  mounts: {
    type: 'array',
    description: 'Folders and files of the host that the guest sees.',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['source', 'destination'],
      properties: {
        source: { type: 'string', minLength: 1, description: 'A path on the host, relative to this file. ~ is not expanded.' },
        destination: { type: 'string', minLength: 1, description: 'An absolute path in the guest.' },
        readOnly: { type: 'boolean', description: 'True: the guest cannot write there. Default: false.' },
      },
    },
  },
  engine: { type: 'string', pattern: '^[a-z][a-z0-9-]*$', description: 'The guest engine, as `mentu-runtime doctor` lists them. Default: the one for this machine.' },
  networkMode: { type: 'string', enum: ['none', 'nat'], description: 'nat: outbound network (default); none: no network, and with the interceptor every attempt is recorded and denied.' },
  cpus: { type: 'number', minimum: 0.01, description: 'The processors that the guest may use at most; a fraction is a share of one.' },
  memoryMiB: { type: 'integer', minimum: 16, description: 'The memory that the guest may use at most, in MiB, with its files in /tmp and the like.' },
  timeout: { type: ['number', 'string'], minimum: 0, description: 'The time after which the command is ended, with exit code 124: a number of seconds, or a time such as "90s", "5m" or "1h30m". 0: none.' },
  restartPolicy: { type: 'string', description: 'Whether a command that failed is run again in a new guest: "no" (default), "on-failure", "on-failure:N" for N times at most.' },
  ports: {
    type: 'array',
    maxItems: 100,
    items: { type: ['integer', 'string'] },
    description: 'TCP ports of 127.0.0.1 and ::1 on the host that lead to ports of the guest: "8080:80" is host:guest, "3000" the same on both sides.',
  },
  rootfs: { type: 'string', minLength: 1, description: "A folder, or a tar of an image, that is the guest's root in place of the host's /usr. Relative to this file." },
  kernel: { type: 'string', minLength: 1, description: 'The kernel that an engine with a kernel of its own boots. Relative to this file.' },
  sandbox: sandboxSchema,
} as const;

export { patterns };
