/** Rows of bits in one `Uint32Array`: bit `p` of a row is bit `p % 32` of its word `p / 32`. */

export function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  v = (v + (v >>> 4)) & 0x0f0f0f0f;
  return Math.imul(v, 0x01010101) >>> 24;
}

/** Bits `from..to` of the word that starts at position `start`. */
function wordMask(start: number, from: number, to: number): number {
  const low = Math.max(from - start, 0);
  const high = Math.min(to - start, 32);
  if (high <= low) return 0;
  const width = high - low;
  return width === 32 ? 0xffffffff : (((1 << width) - 1) << low) >>> 0;
}

/** Sets `from..to`; returns how many bits were new. */
export function setRange(bits: Uint32Array, base: number, from: number, to: number): number {
  let fresh = 0;
  for (let w = from >>> 5; w << 5 < to; w++) {
    const mask = wordMask(w << 5, from, to);
    fresh += popcount(mask & ~bits[base + w]);
    bits[base + w] |= mask;
  }
  return fresh;
}

/** Clears `from..to`, passing on the bits that were set, word by word; returns how many those were. */
export function takeRange(
  bits: Uint32Array,
  base: number,
  from: number,
  to: number,
  visit?: (word: number, taken: number) => void,
): number {
  let gone = 0;
  for (let w = from >>> 5; w << 5 < to; w++) {
    const taken = bits[base + w] & wordMask(w << 5, from, to);
    if (taken === 0) continue;
    gone += popcount(taken);
    bits[base + w] &= ~taken;
    visit?.(w, taken);
  }
  return gone;
}

/** The set bits of a payload, of which bit 0 is position `from`, as words of a row; words without any are left out. */
export function eachWord(payload: Uint8Array, from: number, visit: (word: number, bits: number) => void): void {
  const data = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const shift = from & 31;
  let word = from >>> 5;
  let carry = 0;
  for (let at = 0; at < payload.length; at += 4, word++) {
    const bits = data.getUint32(at, true);
    const here = (bits << shift) | carry;
    carry = shift === 0 ? 0 : bits >>> (32 - shift);
    if (here !== 0) visit(word, here);
  }
  if (carry !== 0) visit(word, carry);
}

export function hasBit(bits: Uint32Array, base: number, position: number): boolean {
  return ((bits[base + (position >>> 5)] >>> (position & 31)) & 1) === 1;
}

export function countBits(bits: Uint32Array, base: number, words: number): number {
  let count = 0;
  for (let w = 0; w < words; w++) count += popcount(bits[base + w]);
  return count;
}

/** Copies the highest `count` set bits of one row into another row, which is all zero. */
export function copyNewest(
  from: Uint32Array,
  fromBase: number,
  to: Uint32Array,
  toBase: number,
  words: number,
  count: number,
): void {
  let left = count;
  for (let w = words - 1; w >= 0 && left > 0; w--) {
    let word = from[fromBase + w];
    let surplus = popcount(word) - left;
    // The lowest set bits are the oldest rows, and only those are cut away.
    for (; surplus > 0; surplus--) word &= word - 1;
    to[toBase + w] = word;
    left -= popcount(word);
  }
}
