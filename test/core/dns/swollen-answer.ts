/** An answer that grows when it is read: the name in its one record is a pointer to 255 bytes, most of which lie in the data themselves. */
const NAME_BYTES = 255;

/** @param dataBytes of its record, an RRSIG; by default the answer is as long as one can be. */
export function swollenAnswer(id: number, question: Buffer, dataBytes = 65_535 - 12 - question.length - 12): Buffer {
  const head = Buffer.alloc(12);
  [id, 0x8180, 1, 1].forEach((value, i) => head.writeUInt16BE(value, 2 * i));
  const record = Buffer.from([0xc0, 12, 0, 46, 0, 1, 0, 0, 0, 60, dataBytes >> 8, dataBytes & 0xff]);
  const data = Buffer.alloc(dataBytes, 0x78);
  // Three labels of 63 bytes and one of 61; their first bytes are what comes before the name, and the pointer to them.
  for (const at of [0, 64, 128]) data[at] = 63;
  data[192] = 61;
  data[NAME_BYTES - 1] = 0;
  data.writeUInt16BE(0xc000 | (head.length + question.length + record.length), 18);
  return Buffer.concat([head, question, record, data]);
}
