/** A finished record on its way through the stages of `onFlowComplete`. */
import { MentuError } from '../errors.ts';
import type { BodyTransform, CompletedFlow, Side } from '../flow.ts';
import type { FlowRecord } from '../record.ts';
import type { BodyStore } from './bodies.ts';

export class CompletedRecord implements CompletedFlow {
  readonly record: FlowRecord;
  readonly #store: BodyStore | null;
  #line: string | null = null;

  constructor(record: FlowRecord, store: BodyStore | null) {
    this.record = record;
    this.#store = store;
  }

  get line(): string {
    return (this.#line ??= JSON.stringify(this.record));
  }

  async rewriteBodyFile(side: Side, transform: BodyTransform): Promise<void> {
    const body = this.record[side];
    if (!body?.body_file || !this.#store) throw new MentuError('body_not_stored', { reason: `the ${side} has no body in a file` });
    await this.#store.rewriteFor(body, transform);
  }

  freeze(): void {
    deepFreeze(this.record);
  }
}

function deepFreeze(value: object): void {
  Object.freeze(value);
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key];
    if (typeof inner === 'object' && inner !== null && !Object.isFrozen(inner)) deepFreeze(inner);
  }
}
