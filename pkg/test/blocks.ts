import { RECORD } from '../src/trace.gen.js';

export interface Fields {
  layer?: number;
  head?: number;
  aux?: number;
  step?: number;
  a?: number;
  b?: number;
}

export function record(kind: number, { layer = 0, head = 0, aux = 0, step = 0, a = 0, b = 0 }: Fields): Uint8Array {
  const bytes = new Uint8Array(RECORD);
  bytes.set([kind, layer, head, aux]);
  const data = new DataView(bytes.buffer);
  data.setUint32(4, step, true);
  data.setUint32(8, a, true);
  data.setUint32(12, b, true);
  return bytes;
}

/** A record with the positions as its payload; bit 0 is `a`. */
export function bitsRecord(kind: number, fields: Omit<Fields, 'b'>, positions: readonly number[]): Uint8Array {
  const a = fields.a ?? 0;
  const last = Math.max(a, ...positions);
  const rows = Math.ceil((last - a + 1) / (RECORD * 8));
  const payload = new Uint8Array(rows * RECORD);
  for (const p of positions) payload[(p - a) >> 3] |= 1 << ((p - a) & 7);
  return concat([record(kind, { ...fields, b: rows }), payload]);
}

/** A record of weights: positions and their codes, in the order of positions. */
export function weightsRecord(
  kind: number,
  fields: Fields,
  listed: readonly (readonly [number, number])[],
): Uint8Array {
  const rows = Math.ceil((listed.length * 4) / RECORD);
  const payload = new DataView(new ArrayBuffer(rows * RECORD));
  const ordered = [...listed].sort(([a], [b]) => a - b);
  for (const [i, [position, code]] of ordered.entries()) payload.setUint32(4 * i, (position << 12) | code, true);
  return concat([record(kind, { ...fields, a: listed.length, b: rows }), new Uint8Array(payload.buffer)]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
