/** A UUIDv7 (RFC 9562, section 5.7): when, and 74 random bits. */
export function mintReplica(nowMs: number, random: (bytes: Uint8Array) => void): Uint8Array {
  const id = new Uint8Array(16);
  random(id);
  for (let i = 0; i < 6; i++) id[i] = Math.floor(nowMs / 2 ** (40 - 8 * i)) % 256;
  id[6] = 0x70 | ((id[6] ?? 0) & 0x0f);
  id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
  return id;
}

/** Told at once: much later, at the first edit, it would only be that `crypto` is not defined. */
export function webRandom(): (bytes: Uint8Array) => void {
  const { crypto } = globalThis as { crypto?: Crypto };
  if (crypto === undefined) {
    throw new Error('there is no Web Crypto (globalThis.crypto) here: run Syncline in Node.js 20 or newer, or in a browser');
  }
  return (bytes) => void crypto.getRandomValues(bytes);
}
