/** Chromium trusts the job's CA by its managed policy. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findTool } from '../../../../plugins/engines/tools.ts';
import { ANSWER, ORIGIN, Origin } from './origin.ts';

// A guest has no user namespaces of its own, so that the browser's own sandbox cannot be.
const SCRIPT = `timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --dump-dom ${ORIGIN}`;

let origin: Origin;
before(() => {
  origin = new Origin();
});
after(() => origin.close());

test("chromium trusts the job's CA, and would not without it", { skip: findTool('chromium') === null && 'not on this machine', timeout: 180_000 }, async () => {
  const limitMs = 90_000;
  const trusting = await origin.visit(SCRIPT, origin.authority, { limitMs });
  assert.match(trusting.stdout, new RegExp(ANSWER), trusting.stderr);
  const doubting = await origin.visit(SCRIPT, null, { limitMs });
  assert.doesNotMatch(doubting.stdout, new RegExp(ANSWER));
});
