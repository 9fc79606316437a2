/** The environment variables by which clients with a trust store of their own are led to the guest's. */

/** PEM of all that the guest trusts: the host's authorities and the job's. */
export const BUNDLE_FILE = '/etc/ssl/certs/ca-certificates.crt';
/** PEM of the job's authority alone. */
export const AUTHORITY_FILE = '/etc/ssl/certs/mentu-job-ca.pem';

/** Clients that add a file to what they trust already. */
const ADDING = ['NODE_EXTRA_CA_CERTS', 'DENO_CERT'] as const;

/** Clients that trust the named file instead of their own. SSL_CERT_DIR is left alone: the file has it all. */
const REPLACING = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'NIX_SSL_CERT_FILE',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'HTTPLIB2_CA_CERTS',
  'HEX_CACERTS_PATH',
  'COMPOSER_CAFILE',
  'BUNDLE_SSL_CA_CERT',
  'YARN_HTTPS_CA_FILE_PATH',
  'PERL_LWP_SSL_CA_FILE',
] as const;

/** Paths are the guest's. */
export function trustVariables(): Record<string, string> {
  return {
    ...Object.fromEntries(ADDING.map((name) => [name, AUTHORITY_FILE])),
    ...Object.fromEntries(REPLACING.map((name) => [name, BUNDLE_FILE])),
  };
}
