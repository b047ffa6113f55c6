/**
 * Deflate by what the host brings: CompressionStream is in every browser that runs the engine and in Node 18. The format
 * is `deflate`, which is in all of those, brings a checksum, and costs six bytes more than `deflate-raw`.
 */
import { AttnscopeError } from '../errors.js';
import { join } from '../join.js';
import { breathe } from '../slices.js';

/** Whether this host can compress. Where it cannot, bytes are kept as they are. */
export function canCompress(): boolean {
  return typeof CompressionStream === 'function' && typeof DecompressionStream === 'function';
}

/** Bytes that are compressed in one go: browsers do it on the thread that asks, some 15 MB/s of it. */
const PIECE = 32 * 1024;
/** Milliseconds of one turn: a frame has room for it. */
const TURN = 3;

/** Compresses the parts as one, in short turns that let messages and drawing go first. */
export async function deflate(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const stream = new CompressionStream('deflate');
  const writer = stream.writable.getWriter();
  const out = collect(stream.readable.getReader(), Number.POSITIVE_INFINITY);
  // What fails on the writing side fails here too, where somebody waits for it.
  out.catch(() => undefined);
  let began = performance.now();
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE) {
      await writer.write(part.subarray(at, at + PIECE) as BufferSource);
      if (performance.now() - began < TURN) continue;
      await breathe();
      began = performance.now();
    }
  }
  await writer.close();
  return out;
}

/** The `size` bytes that were compressed; stops as soon as there are more. Throws `trace` for anything else. */
export async function inflate(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  if (typeof DecompressionStream !== 'function') {
    throw new AttnscopeError('trace', 'This trace is compressed, and this host has no inflate.');
  }
  const stream = new DecompressionStream('deflate');
  const writer = stream.writable.getWriter();
  // A damaged stream fails on both sides; the reading side reports it.
  writer.write(bytes as BufferSource).catch(() => undefined);
  writer.close().catch(() => undefined);
  const reader = stream.readable.getReader();
  try {
    const out = await collect(reader, size);
    if (out.length === size) return out;
  } catch (thrown) {
    void reader.cancel().catch(() => undefined);
    throw new AttnscopeError('trace', 'A compressed part of this trace is damaged.', { cause: thrown });
  }
  throw new AttnscopeError('trace', 'A compressed part of this trace ends too early.');
}

async function collect(reader: ReadableStreamDefaultReader<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return join(parts, length);
    length += value.length;
    if (length > limit) throw new RangeError('more bytes than were announced');
    parts.push(value);
  }
}
