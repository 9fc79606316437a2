/** The origin: nginx on loopback, TLS with HTTP/1.1 and HTTP/2, one worker. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { OriginFiles } from './certificates.ts';
import { ServerProcess, freePort } from './server-process.ts';

/** The name under which every client and proxy reaches the origin. */
export const HOST = 'localhost';
export const DOWNLOAD_MIB = 100;
/** What a record of the small body shows; it is looked for in what each proxy wrote. */
export const MARK = 'mentu-benchmark-body';
const BODY_SIZE = 248;
export const BODY = smallBody();

export interface Origin {
  readonly port: number;
  readonly process: ServerProcess;
}

/** @param download whether the large file is made, too. */
export async function startOrigin(directory: string, files: OriginFiles, download: boolean): Promise<Origin> {
  const root = join(directory, 'www');
  mkdirSync(root);
  if (download) writeLargeFile(join(root, 'large.bin'));
  const port = await freePort();
  const configuration = join(directory, 'nginx.conf');
  writeFileSync(configuration, nginxConfiguration(directory, root, port, files));
  const process = new ServerProcess({ name: 'nginx', command: 'nginx', args: ['-p', directory, '-c', configuration, '-e', 'stderr'], cwd: directory });
  await process.listens(port);
  return { port, process };
}

function smallBody(): string {
  const frame = JSON.stringify({ mark: MARK, text: '' });
  return JSON.stringify({ mark: MARK, text: 'x'.repeat(BODY_SIZE - frame.length) });
}

/** Random, so that nothing on the way gains by compressing it. */
function writeLargeFile(path: string): void {
  const file = openSync(path, 'w');
  const block = randomBytes(1024 * 1024);
  for (let i = 0; i < DOWNLOAD_MIB; i++) {
    block.writeUInt32LE(i, 0);
    writeSync(file, block);
  }
  closeSync(file);
}

function nginxConfiguration(directory: string, root: string, port: number, files: OriginFiles): string {
  // Without a master the process runs as the caller, and its id is the one that was started.
  return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  sendfile on;
  client_body_temp_path ${directory}/nginx-body;
  proxy_temp_path ${directory}/nginx-proxy;
  fastcgi_temp_path ${directory}/nginx-fastcgi;
  uwsgi_temp_path ${directory}/nginx-uwsgi;
  scgi_temp_path ${directory}/nginx-scgi;
  server {
    listen 127.0.0.1:${port} ssl http2;
    server_name ${HOST};
    ssl_certificate ${files.certificate};
    ssl_certificate_key ${files.key};
    root ${root};
    location = /small {
      default_type application/json;
      return 200 '${BODY}';
    }
    location = /large.bin { default_type application/octet-stream; }
  }
}
`;
}
