/**
 * Deflate by what the host brings: CompressionStream is in every browser that runs the engine and in Node 18. The format
 * is `deflate`, which is in all of those, brings a checksum, and costs six bytes more than `deflate-raw`.
 */
import { AttnscopeError } from '../errors.js';
import { join } from '../join.js';

/** Whether this host can compress. Where it cannot, bytes are kept as they are. */
export function canCompress(): boolean {
  return typeof CompressionStream === 'function' && typeof DecompressionStream === 'function';
}

/** Compresses bytes as they come, so that a long segment is many short pieces of work. */
export class Deflater {
  readonly #stream = new CompressionStream('deflate');
  readonly #writer = this.#stream.writable.getWriter();
  readonly #out = collect(this.#stream.readable.getReader(), Number.POSITIVE_INFINITY);

  add(bytes: Uint8Array): void {
    // What fails here fails in `end` too, where somebody waits for it.
    this.#writer.write(bytes as BufferSource).catch(() => undefined);
  }

  async end(): Promise<Uint8Array> {
    await this.#writer.close();
    return this.#out;
  }
}

export async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  const deflater = new Deflater();
  deflater.add(bytes);
  return deflater.end();
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
