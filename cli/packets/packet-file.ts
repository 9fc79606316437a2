/**
 * The packets of a job's guests as a pcapng file, with the keys of their connections inside. A reader uses keys only for
 * packets that come after them, so each packet is held for a moment, and what keys have come by then are written before
 * it. Nothing is written twice: whatever ends this process, the file can be read and decrypted up to there.
 */
import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { MentuError } from '../../core/index.ts';
import type { GuestPackets } from '../../plugins/engines/engine.ts';
import { PcapReader, type PcapHead } from './pcap-reader.ts';
import { decryptionSecrets, enhancedPacket, interfaceDescription, interfaceStatistics, packetData, sectionHeader } from './pcapng.ts';

const PROGRAM = 'mentu-interceptor';
/** The guest's end of its link. */
const INTERFACE = 'eth0';
/** A packet is held for this long at least and twice as long at most. Milliseconds. */
const HOLD_MS = 250;
/** With more bytes than this held, they go before their time: so many take several turns of the event loop, which is what keys need. */
const HELD_LIMIT = 4 * 1024 * 1024;
const DISK_BUFFER = 1024 * 1024;
/** More keys than this are written at once, packets or not. Characters. */
const KEYS_LIMIT = 1024 * 1024;

export interface PacketFileOptions {
  readonly path: string;
  /** The most that the file may take, in bytes. */
  readonly limit: number;
  /** Told once of each thing that the file lacks. */
  warn(error: MentuError): void;
}

export class PacketFile {
  readonly #options: PacketFileOptions;
  readonly #file: WriteStream;
  readonly #closed: Promise<void>;
  #keys = '';
  /** What has come since the last turn, and what has waited for one turn already. */
  #fresh: Buffer[] = [];
  #waiting: Buffer[] = [];
  #held = 0;
  #size = 0;
  #interfaces = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The guest whose packets come, and which is asked to wait while the disk is slow. */
  #source: Readable | null = null;
  /** The file is full, or the disk refuses. */
  #over = false;

  /** Makes the file, 0600. Throws `record_not_writable` where it is there already. */
  constructor(options: PacketFileOptions) {
    this.#options = options;
    let fd: number;
    try {
      fd = openSync(options.path, 'wx', 0o600);
    } catch (cause) {
      throw new MentuError('record_not_writable', { path: options.path, reason: (cause as Error).message }, { cause });
    }
    this.#file = createWriteStream(options.path, { fd, highWaterMark: DISK_BUFFER });
    this.#file.on('drain', () => this.#source?.resume());
    this.#closed = new Promise((resolve) => this.#file.once('close', resolve));
    this.#file.on('error', (error) => this.#stop(error.message));
    this.#write(sectionHeader(PROGRAM));
  }

  /** A line of a key log, with its newline. */
  addKeys(line: string): void {
    if (this.#over) return;
    this.#keys += line;
    if (this.#keys.length > KEYS_LIMIT) this.#writeKeys();
  }

  /** Takes a guest's packets. Resolves when they are over. */
  async follow({ stream, ended }: GuestPackets): Promise<void> {
    const face = this.#interfaces;
    let block: Buffer = Buffer.alloc(0);
    const reader = new PcapReader({
      head: (head) => this.#begin(head),
      packet: (head) => packetData((block = enhancedPacket(face, head))),
      complete: () => this.#hold(block),
    });
    this.#source = stream;
    stream.on('data', (chunk: Buffer) => {
      try {
        if (!this.#over) reader.push(chunk);
      } catch (error) {
        this.#stop((error as Error).message);
      }
    });
    const { dropped, failure } = await ended;
    this.#source = null;
    if (dropped > 0) {
      this.#hold(interfaceStatistics(face, BigInt(Date.now()) * 1_000_000n, dropped));
      this.#lack(`${dropped} were dropped, for they were not taken in time`);
    }
    if (failure !== null) this.#lack(failure);
  }

  /** Writes what is held. */
  async close(): Promise<void> {
    this.#turn();
    this.#turn();
    this.#clearTimer();
    this.#file.end();
    await this.#closed;
  }

  #begin(head: PcapHead): void {
    this.#interfaces++;
    this.#hold(interfaceDescription(INTERFACE, head));
  }

  #hold(block: Buffer): void {
    if (this.#over) return;
    this.#fresh.push(block);
    this.#held += block.length;
    if (this.#held > HELD_LIMIT) this.#turn();
    else this.#timer ??= setInterval(() => this.#turn(), HOLD_MS).unref();
  }

  /** What has waited long enough is written, after the keys that are known by now. */
  #turn(): void {
    const due = this.#waiting;
    this.#waiting = this.#fresh;
    this.#fresh = [];
    if (due.length > 0) this.#writeKeys();
    this.#file.cork();
    for (const block of due) {
      this.#held -= block.length;
      this.#write(block);
    }
    this.#file.uncork();
    if (this.#held === 0) this.#clearTimer();
  }

  #writeKeys(): void {
    if (this.#keys === '') return;
    const secrets = decryptionSecrets(this.#keys);
    this.#keys = '';
    this.#write(secrets);
  }

  #write(block: Buffer): void {
    if (this.#over) return;
    if (this.#size + block.length > this.#options.limit) return this.#stop(`it has reached the limit of ${this.#options.limit} bytes`);
    this.#size += block.length;
    if (!this.#file.write(block)) this.#source?.pause();
  }

  /** The job goes on, and its packets are read and let go. */
  #stop(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#keys = '';
    this.#source?.resume();
    this.#lack(reason);
  }

  #lack(reason: string): void {
    this.#options.warn(new MentuError('packets_incomplete', { path: this.#options.path, reason }));
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
