/** Assembles system call rules into a classic BPF program as seccomp runs it (struct sock_filter, native byte order). */
import type { Architecture, CallName } from './calls.ts';
import { AUDIT_ARCH, LAST_CALL, X32_BIT, callNumber } from './calls.ts';

/** A test of one argument's low 32 bits, which is all that the kernel reads of the arguments tested here. */
export type Condition =
  | { readonly argument: number; readonly mask?: number; readonly among: readonly number[] }
  | { readonly argument: number; readonly mask?: number; readonly notAmong: readonly number[] }
  | { readonly argument: number; readonly anyBit: number };

/** The call fails with `errno` where every condition holds; with 0 it does nothing and seems to succeed. */
export interface Rule {
  readonly call: CallName;
  readonly errno: number;
  readonly when?: readonly Condition[];
}

interface Instruction {
  code: number;
  /** How far to jump, or `end` for the end of the rule. */
  yes: number | 'end';
  no: number | 'end';
  value: number;
}

const LOAD = 0x20;
const AND = 0x54;
const EQUAL = 0x15;
const AT_LEAST = 0x35;
const ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;
const ENOSYS = 38;

/** Offsets in struct seccomp_data; the low half of an argument comes first on both architectures. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argumentAt = (index: number): number => 16 + 8 * index;

const step = (code: number, value: number, yes: Instruction['yes'] = 0, no: Instruction['no'] = 0): Instruction => ({ code, yes, no, value });

export function assemble(rules: readonly Rule[], architecture: Architecture): Buffer {
  const program = [
    step(LOAD, ARCHITECTURE),
    step(EQUAL, AUDIT_ARCH[architecture], 1, 0),
    step(RETURN, KILL_PROCESS),
    step(LOAD, NUMBER),
    ...(architecture === 'x64' ? [step(AT_LEAST, X32_BIT, 0, 1), step(RETURN, KILL_PROCESS)] : []),
    step(AT_LEAST, LAST_CALL + 1, 0, 1),
    step(RETURN, ERRNO | ENOSYS),
    ...rules.flatMap((rule) => compile(rule, architecture)),
    step(RETURN, ALLOW),
  ];
  const bytes = Buffer.alloc(program.length * 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  program.forEach(({ code, yes, no, value }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, yes as number);
    view.setUint8(index * 8 + 3, no as number);
    view.setUint32(index * 8 + 4, value >>> 0, true);
  });
  return bytes;
}

/** Each rule begins with the call's number loaded and, where it lets the call through, ends so. */
function compile(rule: Rule, architecture: Architecture): Instruction[] {
  const number = callNumber(rule.call, architecture);
  if (number === null) return [];
  const deny = step(RETURN, ERRNO | rule.errno);
  if (!rule.when) return [step(EQUAL, number, 0, 1), deny];
  const body = [step(EQUAL, number, 0, 'end'), ...rule.when.flatMap(test), deny];
  const resolve = (target: number | 'end', from: number): number => {
    const distance = target === 'end' ? body.length - from - 1 : target;
    if (distance > 0xff) throw new RangeError(`the rule for ${rule.call} is too long`);
    return distance;
  };
  return [
    ...body.map((instruction, index) => ({ ...instruction, yes: resolve(instruction.yes, index), no: resolve(instruction.no, index) })),
    step(LOAD, NUMBER),
  ];
}

function test(condition: Condition): Instruction[] {
  const load = step(LOAD, argumentAt(condition.argument));
  if ('anyBit' in condition) return [load, step(ANY_BIT, condition.anyBit, 0, 'end')];
  const masked = condition.mask === undefined ? [load] : [load, step(AND, condition.mask)];
  if ('notAmong' in condition) return [...masked, ...condition.notAmong.map((value) => step(EQUAL, value, 'end', 0))];
  const { among } = condition;
  return [...masked, ...among.map((value, index) => step(EQUAL, value, among.length - 1 - index, index === among.length - 1 ? 'end' : 0))];
}
