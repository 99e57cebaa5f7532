/** The writer of msgpack: one buffer that grows, each value in its shortest form. */
const FIRST_BYTES = 64;
const utf8 = new TextEncoder();
/** The most bytes of UTF-8 that a character of a string can take. */
const CHARACTER_BYTES = 3;

export type Writer = ReturnType<typeof createWriter>;

export function createWriter() {
  let buffer = new Uint8Array(FIRST_BYTES);
  let view = new DataView(buffer.buffer);
  let at = 0;

  /** Where the next so many bytes go, for which there is room. */
  function take(count: number): number {
    const start = at;
    at += count;
    if (at > buffer.length) {
      const before = buffer;
      buffer = new Uint8Array(Math.max(at, 2 * before.length));
      buffer.set(before);
      view = new DataView(buffer.buffer);
    }
    return start;
  }

  function byte(value: number): void {
    const start = take(1); // first: it may be another buffer then
    buffer[start] = value;
  }

  function bytes(raw: Uint8Array): void {
    const start = take(raw.length);
    buffer.set(raw, start);
  }

  /** A head, and an integer of so many bytes after it. */
  function sized(head: number, width: number, value: number): void {
    const start = take(1 + width);
    buffer[start] = head;
    if (width === 1) view.setUint8(start + 1, value);
    else if (width === 2) view.setUint16(start + 1, value);
    else view.setUint32(start + 1, value);
  }

  function wide(value: bigint): void {
    const start = take(9);
    buffer[start] = value < 0 ? 0xd3 : 0xcf;
    view.setBigInt64(start + 1, value);
  }

  /** From the head of its one-byte form on there are one for 2, for 4 and for 8 bytes. */
  function integer(value: number): void {
    if (value >= -0x20 && value < 0x80) return byte(value & 0xff);
    const size = value < 0 ? -2 * value - 1 : value;
    if (size >= 0x100000000) return wide(BigInt(value));
    const power = size < 0x100 ? 0 : size < 0x10000 ? 1 : 2;
    sized((value < 0 ? 0xd0 : 0xcc) + power, 2 ** power, value);
  }

  function float(value: number): void {
    const start = take(9);
    buffer[start] = 0xcb;
    view.setFloat64(start + 1, value);
  }

  /** Of text and bytes beyond a head of their own, from that of the one-byte form on. */
  function length(head: number, size: number): void {
    if (size < 0x100) sized(head, 1, size);
    else if (size < 0x10000) sized(head + 1, 2, size);
    else sized(head + 2, 4, size);
  }

  function text(value: string): void {
    if (value.length * CHARACTER_BYTES >= 32) return longText(utf8.encode(value));
    const start = take(1 + value.length * CHARACTER_BYTES);
    const { written } = utf8.encodeInto(value, buffer.subarray(start + 1));
    buffer[start] = 0xa0 | written;
    at = start + 1 + written;
  }

  function longText(encoded: Uint8Array): void {
    if (encoded.length < 32) byte(0xa0 | encoded.length);
    else length(0xd9, encoded.length);
    bytes(encoded);
  }

  return {
    byte, bytes, wide, integer, float, text,
    binary(value: Uint8Array): void {
      length(0xc4, value.length);
      bytes(value);
    },
    /** Of a list or a map. */
    head(short: number, long: number, size: number): void {
      if (size < 16) byte(short | size);
      else if (size < 0x10000) sized(long, 2, size);
      else sized(long + 1, 4, size);
    },
    /** All that was written. */
    taken: (): Uint8Array => buffer.slice(0, at),
  };
}
