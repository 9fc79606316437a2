/** The grammar of event streams (HTML Living Standard, section 9.2.6), read as its bytes come, in bounded memory. */
const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const NEWLINE = Buffer.from('\n');
/** Of `event`, the longest name that means anything to the record. */
const LONGEST_NAME = 5;
/** Bytes kept of a type or an id. */
const LONGEST_TEXT = 1024;

export interface EventOutlet {
  /** A piece of the data of the event under way, its lines joined by LF. */
  data(bytes: Buffer): void;
  /** The event is complete. @param id null where it has none of its own. */
  event(type: string, id: string | null): void;
}

type Field = 'unknown' | 'data' | 'event' | 'id' | 'ignored';

export class EventGrammar {
  readonly #out: EventOutlet;
  /** Bytes of a byte order mark seen so far; 4 once it is past. */
  #bom = 0;
  #afterCr = false;
  #field: Field = 'unknown';
  #name = '';
  #spaceMayCome = false;
  #text: Buffer[] = [];
  #textSize = 0;
  #hasData = false;
  #type = '';
  #id: string | null = null;

  constructor(out: EventOutlet) {
    this.#out = out;
  }

  write(chunk: Buffer): void {
    let at = this.#bom < BOM.length ? this.#skipBom(chunk) : 0;
    let cr = -2;
    while (at < chunk.length) {
      if (this.#afterCr) {
        this.#afterCr = false;
        if (chunk[at] === LF) {
          at++;
          continue;
        }
      }
      // Searched for anew only when it is passed: a stream without CR is looked through once.
      if (cr !== -1 && cr < at) cr = chunk.indexOf(CR, at);
      const lf = cr === -1 ? chunk.indexOf(LF, at) : chunk.subarray(0, cr).indexOf(LF, at);
      const end = lf === -1 ? cr : lf;
      if (end === -1) return this.#piece(chunk.subarray(at));
      if (end > at) this.#piece(chunk.subarray(at, end));
      this.#endLine();
      this.#afterCr = end === cr;
      at = end + 1;
    }
  }

  /** The index of the first byte that is not of the mark. */
  #skipBom(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#bom < BOM.length && chunk[at] === BOM[this.#bom]) {
      at++;
      this.#bom++;
    }
    if (at === chunk.length || this.#bom === BOM.length) return at;
    const begun = this.#bom - at;
    this.#bom = BOM.length;
    if (begun > 0) this.#piece(BOM.subarray(0, begun));
    return 0;
  }

  /** A part of a line, without its end. */
  #piece(bytes: Buffer): void {
    let at = 0;
    if (this.#field === 'unknown') {
      const colon = bytes.indexOf(COLON);
      const end = colon === -1 ? bytes.length : colon;
      if (this.#name.length + end > LONGEST_NAME) {
        this.#field = 'ignored';
        return;
      }
      this.#name += bytes.toString('latin1', 0, end);
      if (colon === -1) return;
      this.#begin();
      this.#spaceMayCome = true;
      at = colon + 1;
    }
    if (this.#field === 'ignored' || at === bytes.length) return;
    if (this.#spaceMayCome) {
      this.#spaceMayCome = false;
      if (bytes[at] === SPACE) at++;
    }
    if (at < bytes.length) this.#value(bytes.subarray(at));
  }

  #begin(): void {
    const name = this.#name;
    this.#field = name === 'data' || name === 'event' || name === 'id' ? name : 'ignored';
    if (name !== 'data') return;
    if (this.#hasData) this.#out.data(NEWLINE);
    this.#hasData = true;
  }

  #value(bytes: Buffer): void {
    if (this.#field === 'data') return this.#out.data(bytes);
    const room = LONGEST_TEXT - this.#textSize;
    if (room <= 0) return;
    this.#textSize += Math.min(room, bytes.length);
    // A copy: a slice would keep the whole read in memory.
    this.#text.push(Buffer.from(bytes.subarray(0, room)));
  }

  #endLine(): void {
    if (this.#field === 'unknown') {
      if (this.#name === '') return this.#dispatch();
      this.#begin();
    }
    if (this.#field === 'event' || this.#field === 'id') {
      const text = Buffer.concat(this.#text).toString('utf8');
      if (this.#field === 'event') this.#type = text;
      else if (!text.includes('\0')) this.#id = text;
      this.#text = [];
      this.#textSize = 0;
    }
    this.#field = 'unknown';
    this.#name = '';
    this.#spaceMayCome = false;
  }

  #dispatch(): void {
    const type = this.#type;
    const id = this.#id;
    this.#type = '';
    this.#id = null;
    if (!this.#hasData) return;
    this.#hasData = false;
    this.#out.event(type === '' ? 'message' : type, id);
  }
}
