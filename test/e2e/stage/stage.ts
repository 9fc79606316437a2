/** What most of these tests stand on: a workspace, an origin with TLS, a plain one, and a profile that pins names to them. */
import { realpathSync } from 'node:fs';
import { echo, Origin, type Handler } from './origin.ts';
import { serverIdentity, type ServerIdentity } from './certificates.ts';
import { GUEST_PROGRAMS, Workspace } from './workspace.ts';

/** Addresses from the ranges for documentation, pinned to the origin: a guest dials them bare. */
export const BARE_IPV4 = '203.0.113.7';
export const BARE_IPV6 = '2001:db8::7';

/** In the guest: this very Node, wherever the host keeps it. */
export const GUEST_NODE = '/opt/node';

export class Stage {
  readonly workspace: Workspace;
  readonly identity: ServerIdentity;
  readonly origin: Origin;
  readonly #hosts: Record<string, string>;

  private constructor(workspace: Workspace, identity: ServerIdentity, origin: Origin) {
    this.workspace = workspace;
    this.identity = identity;
    this.origin = origin;
    this.#hosts = { 'api.demo.test': origin.address, [BARE_IPV4]: origin.address, [BARE_IPV6]: origin.address };
  }

  /** @param bin the folder of the programs, where they are not those of this tree. */
  static async open(handler: Handler = echo, bin?: string): Promise<Stage> {
    const workspace = new Workspace(bin);
    const identity = serverIdentity(workspace.folder, [BARE_IPV4, BARE_IPV6]);
    return new Stage(workspace, identity, await Origin.open(handler, identity));
  }

  /** Writes a profile and returns the flags that take it. `hosts` are pins beside those of the stage. */
  profile({ hosts = {}, interceptor = {}, mounts = [], ...rest }: { hosts?: Record<string, string>; interceptor?: object; mounts?: object[]; [key: string]: unknown } = {}, name = 'profile.json'): string[] {
    this.workspace.write(name, {
      ...rest,
      mounts: [
        { source: GUEST_PROGRAMS, destination: '/guest', readOnly: true },
        { source: realpathSync(process.execPath), destination: GUEST_NODE, readOnly: true },
        ...mounts,
      ],
      interceptor: { hosts: { ...this.#hosts, ...hosts }, trustedCAs: ['ca.pem'], ...interceptor },
    });
    return ['--profile', name];
  }

  async close(): Promise<void> {
    this.workspace.close();
    await this.origin.close();
  }
}
