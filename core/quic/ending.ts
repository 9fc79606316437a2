/** Why a connection of the transport is over, in the words of its contract. */
import type { QuicEnd } from './connection.ts';
import type { QuicMachine } from './machine.ts';

const CRYPTO_ERRORS = { first: 0x100, last: 0x1ff } as const;

export function endOf(machine: QuicMachine, established: boolean): QuicEnd {
  const peer = machine.peerError;
  const local = machine.localError;
  const { isApplication, code, reason } = peer ?? local ?? { isApplication: false, code: 0, reason: machine.isTimedOut ? 'nothing was heard' : '' };
  const isCrypto = !isApplication && code >= CRYPTO_ERRORS.first && code <= CRYPTO_ERRORS.last;
  // A client stands before its server has looked at its certificate: such a close is a handshake that failed.
  const failed = !established || isCrypto || (peer === null && local !== null);
  return { by: failed ? 'failed' : peer ? 'peer' : 'timeout', code, isApplication, reason };
}
