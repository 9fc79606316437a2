/** Packets that cannot be captured: the job is told before its command starts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packetTool } from '../../../../plugins/engines/plane/packet-stream.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { shell } from '../../../engines/job.ts';

test('without tcpdump, a guest whose packets are wanted is refused, and others are not', () => {
  const missing = () => null;
  assert.throws(() => packetTool({ packets: true }, missing), { code: 'packets_unavailable', message: /tcpdump is not found/, remedy: /^Install it with: apt-get install -y tcpdump, or take/ });
  assert.equal(packetTool({ packets: false }, missing), undefined);
  assert.equal(packetTool({}, missing), undefined);
});

test('where tcpdump fails, its own words are told and nothing runs', async () => {
  // Without a plane, the link is not there.
  await assert.rejects(shell(NAMESPACE, 'echo ran', { packets: true, network: 'none' }), { code: 'packets_unavailable', message: /guest0/ });
});
