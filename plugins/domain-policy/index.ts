/**
 * Enforces the job's domain lists on every name that a flow shows: the name behind its destination, the address
 * that was dialled, the TLS server name, and the authority of each request. A connection is judged before
 * anything is dialled, a name before it is looked up, a request before it is forwarded.
 *
 * Hosts of `passthrough` are relayed without decryption when the lists allow them. The destination itself must
 * match, for a server name alone is only what the client says.
 */
import { defineCapturePlugin, HostPatternList, MentuError, type Connection, type Decision, type Flow, type JobView } from '../../core/index.ts';
import { hostOf, Judge, type Finding } from './judge.ts';
import { DomainLists } from './lists.ts';

/** What is known of a connection, so that the requests of one that is kept alive cost a comparison. */
interface Judged {
  readonly finding: Finding;
  authority: string | null;
  request: Finding | null;
}

export default defineCapturePlugin({
  name: 'domain-policy',
  description: 'Allows and denies hosts by the lists of profile, command line and preset.',
  options: {
    type: 'object',
    properties: {
      mode: {
        enum: ['standard', 'audit', 'enforce'],
        default: 'standard',
        description: 'standard: what the lists deny is blocked. audit: it is only marked. enforce: as standard, and a job that allows no list of hosts does not start.',
      },
    },
    additionalProperties: false,
  },
  setup({ options, job, hooks, annotate, warn }) {
    const { mode } = options;
    const lists = new DomainLists(job.lists);
    const judge = new Judge(lists);
    const passthrough = new HostPatternList(job.passthrough);
    const judged = new WeakMap<Connection, Judged>();
    if (mode === 'enforce') requireAllowList(job, lists);
    if (mode === 'audit' && !lists.isEmpty) {
      hooks.onStart.tap('domain-policy', () => warn(`nothing is blocked: the lists of ${lists.sources.join(' and ')} are not enforced, and what they would deny is marked in the record`));
    }

    const decide = (finding: Finding): Decision => {
      const { isAllowed, rule, host, code } = finding;
      if (isAllowed) return { action: 'allow', rule };
      if (mode === 'audit') return { action: 'allow', rule, wouldDeny: true };
      return { action: 'deny', rule, ...(host === undefined ? {} : { host }), ...(code === undefined ? {} : { code }) };
    };
    const mark = (subject: Connection | Flow, { mismatch }: Finding): void => {
      if (mismatch !== undefined) annotate(subject, { mismatch });
    };

    const judgeConnection = (connection: Connection): Judged => {
      const finding = judge.connection(connection);
      const known: Judged = { finding, authority: null, request: null };
      judged.set(connection, known);
      mark(connection, finding);
      return known;
    };

    hooks.onConnect.tap('domain-policy', (connection) => {
      const { finding } = judgeConnection(connection);
      const decision = decide(finding);
      if (decision.action === 'deny' || connection.protocol !== 'tls') return decision;
      const pattern = passthroughPattern(passthrough, connection);
      if (pattern === null) return decision;
      if (!finding.isAllowed) annotate(connection, { wouldDeny: finding.rule });
      return { action: 'passthrough', rule: `passthrough: ${pattern}` };
    });

    hooks.onRequest.tap('domain-policy', (flow) => {
      const { connection, request } = flow;
      const known = judged.get(connection) ?? judgeConnection(connection);
      // The connection's allowance stands for its requests.
      if (!known.finding.isAllowed) return mode === 'audit' ? undefined : decide(known.finding);
      if (known.request === null || known.authority !== request.authority) {
        // A tunnel leads to a destination of its own, beside the proxy's, which is allowed already.
        const isTunnel = request.method === 'CONNECT' && request.path === '';
        known.request = isTunnel ? judge.tunnel(request.authority) : judge.authority(connection, request.authority);
        known.authority = request.authority;
      }
      mark(flow, known.request);
      return known.request.isAllowed ? undefined : decide(known.request);
    });
  },
});

/** An allow list of one source is enough: what it does not name is denied. */
function requireAllowList(job: JobView, lists: DomainLists): void {
  if (!lists.restrict) throw new MentuError('allow_list_missing', { preset: job.preset });
}

function passthroughPattern(patterns: HostPatternList, connection: Connection): string | null {
  if (patterns.size === 0) return null;
  const { port } = connection.destination;
  const host = hostOf(connection);
  const pattern = patterns.match(host, port);
  const sni = connection.clientHello?.sni ?? null;
  if (pattern === null || sni === null || sni === host) return pattern;
  // Another server name must be one that is passed through as well.
  return patterns.match(sni, port) === null ? null : pattern;
}
