/** The stages that a session leads a client's connection through, and what it lends them. A kind of connection is one stage, in one file. */
import type { Duplex } from 'node:stream';
import type { Verdict } from '../decision.ts';
import type { MentuError } from '../errors.ts';
import type { Destination } from '../flow.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { Outcome, ViolationRecord } from '../record.ts';
import type { UpstreamDialler } from '../upstream/dialler.ts';
import type { ReadyDialler } from '../upstream/ready-dialler.ts';
import type { SessionServices } from './services.ts';

export type Denial = Extract<Verdict, { action: 'deny' }>;

/** What has the connection's bytes. */
export interface Stage {
  /** Called once, by the session that proceeds to it. */
  begin(): void;
  /** Breaks off what is left of it, with its record. The session closes the client's stream. */
  end(outcome: Outcome, error: MentuError): void;
}

export interface Session {
  readonly services: SessionServices;
  readonly connection: CapturedConnection;
  /** Opens the connection's upstream. */
  readonly dialler: UpstreamDialler;
  /** The client's bytes from the first one on, paused; decrypted ones where they were. */
  readonly stream: Duplex;
  readonly isOver: boolean;
  /** Begins the next stage; the one before has let go of the bytes. */
  proceed(stage: Stage): void;
  /** The client's TLS is off, and what it speaks inside is to be seen. */
  decrypted(stream: Duplex): void;
  /** A connection of its own inside of this one, which ends with it at the latest. What stands ready for it is closed where it is not wanted. */
  nest(stream: Duplex, destination: Destination, dialler: ReadyDialler): void;
  /** No further request comes. A connection that made no flow is one itself: denied where its verdict says so. @param error why, where nothing else is known. */
  over(error: MentuError): void;
  /** Ends a connection that made no flow, with its record. */
  fail(error: MentuError): void;
  /** Ends a connection that made no flow as a denial. */
  deny(verdict: Denial): void;
  /** The violation of a denied connection, and the error that tells of it. */
  violation(verdict: Denial): { readonly violation: ViolationRecord; readonly error: MentuError };
  /** Closes the client's connection so that it cannot take it for the end of what was said. */
  reset(): void;
  /** All records are made: the session is over. */
  close(): void;
}
