/** The keys of `interceptor` that speak of TLS: whose certificates are shown, asked for, and left alone. */

const host = { type: 'string', minLength: 1, description: 'A host pattern: example.com, *.example.com, each with an optional :port.' } as const;
const file = (description: string) => ({ type: 'string', minLength: 1, description: `${description} Relative to this file.` }) as const;

export const tlsProperties = {
  clientCertificates: {
    type: 'array',
    description: 'Certificates of ours for upstreams that ask for one. They are read on the host, and the guest never sees them.',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['host'],
      properties: {
        host,
        cert: file('A file of PEM: the certificate, and after it the chain that leads to its CA.'),
        key: file('A file of PEM with the private key of `cert`, encrypted or not.'),
        pkcs12: file('A PKCS#12 file (.p12, .pfx) in place of `cert` and `key`.'),
        passphraseEnv: { type: 'string', minLength: 1, description: 'The environment variable of the host that holds the passphrase of the key or of the PKCS#12 file.' },
      },
    },
  },
  clientAuth: {
    type: 'array',
    description: 'Clients of these hosts are asked for a certificate, and what they show is recorded.',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['host'],
      properties: {
        host,
        ca: file('A file of PEM with the CAs that a certificate has to lead to. Absent: any certificate is taken, and none is called verified.'),
        require: { type: 'boolean', description: 'True: requests without such a certificate are refused. Default: false.' },
      },
    },
  },
  passthrough: {
    type: 'array',
    description: 'Hosts whose TLS is relayed without being decrypted: example.com, *.example.com, each with an optional :port; or {"host": …, "allowEch": true}.',
    items: {
      type: ['string', 'object'],
      minLength: 1,
      additionalProperties: false,
      required: ['host'],
      properties: {
        host,
        allowEch: { type: 'boolean', description: 'True: also where the client hides a server name (ECH) that no list can judge. Default: false.' },
      },
    },
  },
  onPinned: {
    type: 'string',
    enum: ['fail', 'passthrough'],
    description: 'fail (default): what `passthrough` names is never decrypted. passthrough: it is decrypted until a client refuses our certificate, and relayed undecrypted from then on.',
  },
} as const;
