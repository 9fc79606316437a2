/** An origin of HTTP/3: caddy, with the small body. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OriginFiles } from '../certificates.ts';
import { BODY, HOST, type Origin } from '../origin.ts';
import { ServerProcess, freePort } from '../server-process.ts';

/** The port is that of UDP; caddy has the same for TCP. */
export async function startCaddy(directory: string, files: OriginFiles): Promise<Origin> {
  const port = await freePort();
  const configuration = join(directory, 'Caddyfile');
  writeFileSync(configuration, caddyConfiguration(port, files));
  const home = { HOME: directory, XDG_DATA_HOME: join(directory, 'caddy-data'), XDG_CONFIG_HOME: join(directory, 'caddy-config') };
  const process = new ServerProcess({ name: 'caddy', command: 'caddy', args: ['run', '--config', configuration, '--adapter', 'caddyfile'], cwd: directory, env: home });
  await process.listens(port);
  return { port, process };
}

function caddyConfiguration(port: number, files: OriginFiles): string {
  return `{
	admin off
	auto_https off
	skip_install_trust
	log {
		level ERROR
	}
}
https://${HOST}:${port} {
	bind 127.0.0.1
	tls ${files.certificate} ${files.key}
	header content-type application/json
	respond /small \`${BODY}\`
}
`;
}
