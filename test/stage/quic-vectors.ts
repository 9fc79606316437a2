/** The ClientHello and the server's Initial packet of RFC 9001, appendix A. */
export const RFC_DCID = Buffer.from('8394c8f03e515708', 'hex');

export const RFC_HELLO = Buffer.from(
  '010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff',
  'hex',
);

export const RFC_SERVER_INITIAL = Buffer.from(
  'cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee',
  'hex',
);

/** A CRYPTO frame with the bytes from `start` to `end`. */
export function cryptoFrame(bytes: Buffer, start: number, end: number): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 6;
  head.writeUInt16BE(0x4000 | start, 1);
  head.writeUInt16BE(0x4000 | (end - start), 3);
  return Buffer.concat([head, bytes.subarray(start, end)]);
}
