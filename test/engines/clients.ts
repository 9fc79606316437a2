/** Clients of this machine that trust what their machine trusts, and how each asks the origin of the trust tests. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findTool } from '../../plugins/engines/tools.ts';
import { NAME, ORIGIN } from './origin.ts';

export interface Client {
  readonly name: string;
  readonly script: string;
  /** Another way of a client that is tried already. */
  readonly further?: true;
}

const REQUEST = `printf 'GET / HTTP/1.0\\r\\n\\r\\n'`;
const S_CLIENT = `-quiet -verify_quiet -verify_return_error -connect ${NAME}:443 -servername ${NAME}`;
/** The variables that name a bundle, for those who are to find it by themselves. */
const NO_VARIABLES = 'unset SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO REQUESTS_CA_BUNDLE';

/** `java`: a folder for a program of Java's, which guests find as /opt/java. */
export function clientsOf(java: string): Client[] {
  const source = join(java, 'Client.java');
  writeFileSync(source, `public class Client { public static void main(String[] a) throws Exception {
    System.out.print(new String(new java.net.URL("${ORIGIN}").openStream().readAllBytes())); } }`);
  if (javas().length > 0) compileJava(source, java);
  return [
    ...tool('curl', `curl -sS ${ORIGIN}`),
    ...tool('curl', `${NO_VARIABLES}; curl -sS ${ORIGIN}`, 'curl without variables'),
    ...tool('curl', `${NO_VARIABLES}; curl -sS --capath /etc/ssl/certs ${ORIGIN}`, 'curl by the folder of hashes'),
    ...tool('wget', `wget -qO- ${ORIGIN}`),
    ...tool('openssl', `${REQUEST} | openssl s_client ${S_CLIENT}`),
    ...tool('openssl', `${NO_VARIABLES}; ${REQUEST} | openssl s_client -no-CAfile -CApath /etc/ssl/certs ${S_CLIENT}`, 'openssl by the folder of hashes'),
    ...tool('git', `git ls-remote ${ORIGIN}repository`),
    ...tool('git', `${NO_VARIABLES}; git ls-remote ${ORIGIN}repository`, 'git without variables'),
    { name: "Node's fetch", script: `node -e 'fetch("${ORIGIN}").then(async (r) => console.log(await r.text()))'` },
    ...python('urllib', `import urllib.request; print(urllib.request.urlopen("${ORIGIN}").read().decode())`),
    ...python('requests', `import requests; print(requests.get("${ORIGIN}").text)`),
    ...javas().map((file, index): Client => ({ name: nameOf(file), script: `${file} -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp /opt/java Client`, ...(index === 0 ? {} : { further: true }) })),
    ...tool('perl', `perl -MHTTP::Tiny -e 'my $r = HTTP::Tiny->new(verify_SSL => 1)->get("${ORIGIN}"); print $r->{content}; exit !$r->{success}'`, "Perl's HTTP::Tiny").filter(() => succeeds('perl', '-MIO::Socket::SSL', '-MNet::SSLeay', '-e1')),
  ];
}

function tool(file: string, script: string, name = file): Client[] {
  return findTool(file) === null ? [] : [{ name, script, ...(name === file ? {} : { further: true }) }];
}

function python(module: string, program: string): Client[] {
  return succeeds('/usr/bin/python3', '-c', `import ${module}`) ? [{ name: `Python's ${module}`, script: `/usr/bin/python3 -c '${program}'` }] : [];
}

/** Every Java of the machine, each once. */
function javas(): string[] {
  const homes = existsSync('/usr/lib/jvm') ? readdirSync('/usr/lib/jvm') : [];
  return [...new Set(homes.map((home) => `/usr/lib/jvm/${home}/bin/java`).filter((file) => existsSync(file)).map((file) => realpathSync(file)))];
}

function nameOf(java: string): string {
  return `Java (${/jvm\/([^/]+)/.exec(java)?.[1]})`;
}

/** Compiled on the host: in a machine that is translated, the compiler alone takes longer than all other clients. */
export function compileJava(source: string, folder: string): void {
  const compiler = javas().map((java) => join(dirname(java), 'javac')).find((file) => existsSync(file));
  if (compiler === undefined) throw new Error('no javac (Debian: default-jdk-headless)');
  execFileSync(compiler, ['-nowarn', '--release', '11', '-d', folder, source], { stdio: 'pipe' });
}

function succeeds(...[file = '', ...args]: string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
