/** nginx and caddy that ask their clients for a certificate, each over one version of TLS. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts } from '../../stage/free-ports.ts';

export type TlsVersion = '1.2' | '1.3';

export interface TlsServers {
  readonly nginx: Readonly<Record<TlsVersion, string>>;
  readonly caddy: Readonly<Record<TlsVersion, string>>;
  /** nginx without any demand. */
  readonly open: string;
  close(): Promise<void>;
}

/** `folder` has `leaf.pem` and `leaf.key` of the servers; `ca` is the file of the CA whose clients they take. Both answer with the client's subject and the HTTP version. */
export async function openTlsServers(folder: string, ca: string): Promise<TlsServers> {
  const [n2, n3, open, c2, c3] = (await freePorts(5)) as [number, number, number, number, number];
  const children = [startNginx(folder, ca, { '1.2': n2, '1.3': n3 }, open), startCaddy(folder, ca, { '1.2': c2, '1.3': c3 })];
  await Promise.all([n2, n3, open, c2, c3].map((port) => listening(port)));
  const at = (port: number): string => `127.0.0.1:${port}`;
  return {
    nginx: { '1.2': at(n2), '1.3': at(n3) },
    caddy: { '1.2': at(c2), '1.3': at(c3) },
    open: at(open),
    close: async () => {
      for (const child of children) {
        if (child.exitCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

type Ports = Readonly<Record<TlsVersion, number>>;

function startNginx(folder: string, ca: string, ports: Ports, open: number): ChildProcess {
  const home = join(folder, 'nginx');
  mkdirSync(home);
  const server = (port: number, protocols: string, demand: string): string => `
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${folder}/leaf.pem;
    ssl_certificate_key ${folder}/leaf.key;
    ssl_protocols ${protocols};
    ${demand}
    location / { return 200 "$ssl_client_s_dn $ssl_client_verify $server_protocol\\n"; }
  }`;
  const demand = `ssl_verify_client on; ssl_client_certificate ${ca};`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${home}/${name};`).join(' ');
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
events {}
http { access_log off; ${temporary}${server(ports['1.2'], 'TLSv1.2', demand)}${server(ports['1.3'], 'TLSv1.3', demand)}${server(open, 'TLSv1.2 TLSv1.3', '')}
}
`,
  );
  return spawn('/usr/sbin/nginx', ['-p', home, '-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], { stdio: 'ignore' });
}

function startCaddy(folder: string, ca: string, ports: Ports): ChildProcess {
  const home = join(folder, 'caddy');
  mkdirSync(home);
  const site = (version: TlsVersion): string => `
https://:${ports[version]} {
  bind 127.0.0.1
  tls ${folder}/leaf.pem ${folder}/leaf.key {
    protocols tls${version} tls${version}
    client_auth {
      mode require_and_verify
      trusted_ca_cert_file ${ca}
    }
  }
  respond "{http.request.tls.client.subject} {http.request.proto}
"
}`;
  writeFileSync(join(home, 'Caddyfile'), `{\n  admin off\n  skip_install_trust\n  auto_https off\n  servers {\n    protocols h1 h2\n    strict_sni_host insecure_off\n  }\n}${site('1.2')}${site('1.3')}\n`);
  const env = { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home };
  return spawn('/usr/bin/caddy', ['run', '--config', join(home, 'Caddyfile'), '--adapter', 'caddyfile'], { stdio: 'ignore', env });
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const socket = connect(port, '127.0.0.1');
    const came = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (came) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}
