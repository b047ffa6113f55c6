/** Trace blocks as records. A block is a whole number of 16-byte little-endian records, see docs/trace.md. */
import { AttnscopeError } from '../errors.js';
import { PAYLOAD, RECORD } from '../trace.gen.js';

export interface TraceRecord {
  kind: number;
  layer: number;
  head: number;
  aux: number;
  step: number;
  a: number;
  b: number;
  /** Bit `i` is position `a + i`; empty for kinds without payload. */
  payload: Uint8Array;
}

const EMPTY = new Uint8Array();

/** The records of a block, in order. Throws `trace` when the block is cut short. */
export function* records(block: Uint8Array): Generator<TraceRecord, void> {
  const data = new DataView(block.buffer, block.byteOffset, block.byteLength);
  for (let at = 0; at < block.length; ) {
    if (at + RECORD > block.length) throw malformed('it ends inside a record');
    const kind = data.getUint8(at);
    const b = data.getUint32(at + 12, true);
    const start = at + RECORD;
    const end = PAYLOAD.includes(kind) ? start + b * RECORD : start;
    if (end > block.length) throw malformed('it ends inside a payload');
    yield {
      kind,
      layer: data.getUint8(at + 1),
      head: data.getUint8(at + 2),
      aux: data.getUint8(at + 3),
      step: data.getUint32(at + 4, true),
      a: data.getUint32(at + 8, true),
      b,
      payload: end === start ? EMPTY : block.subarray(start, end),
    };
    at = end;
  }
}

export function malformed(why: string): AttnscopeError {
  return new AttnscopeError('trace', `This trace block is damaged: ${why}.`);
}
