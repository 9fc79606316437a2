/**
 * Enforces the job's domain lists on every name that a flow shows: the name behind its destination, the address
 * that was dialled, the TLS server name, and the authority of each request. A connection is judged before
 * anything is dialled, a name before it is looked up, a request before it is forwarded.
 *
 * Hosts of `passthrough` are relayed without decryption when the lists allow them. The destination itself must
 * match, for a server name alone is only what the client says. With `onPinned: passthrough` they are decrypted until
 * a client has refused our certificate.
 */
import { defineCapturePlugin, MentuError, type Connection, type Decision, type Flow, type JobView } from '../../core/index.ts';
import { Judge, type Finding } from './judge.ts';
import { DomainLists } from './lists.ts';
import { Passthrough } from './passthrough.ts';

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
    const passthrough = new Passthrough(job);
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
      const pattern = decision.action === 'deny' ? null : passthrough.pattern(connection);
      if (pattern === null) return decision;
      if (!passthrough.isDue(connection)) return { action: 'allow', rule: finding.rule, mayBePinned: true, ...(finding.isAllowed ? {} : { wouldDeny: true }) };
      // In passthrough the lists can judge the names that are seen, and those alone.
      const hidden = lists.isEmpty ? null : passthrough.hiddenName(connection, pattern);
      if (hidden !== null && mode !== 'audit') return decide(hidden);
      if (hidden !== null || !finding.isAllowed) annotate(connection, { wouldDeny: (hidden ?? finding).rule });
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
