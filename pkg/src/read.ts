import type { Border } from './engine.js';
import { AttnscopeError, attempt, throwIfAborted } from './errors.js';
import { breathe, throttle } from './slices.js';
import type { Incoming } from './source.js';
import type { ReadOptions } from './types.js';
import type { Model as WasmModel } from './wasm/attnscope.js';

const MAGIC = [0x47, 0x47, 0x55, 0x46]; // "GGUF"

/**
 * Feeds chunks to the engine as they arrive, so that a file is never in memory twice. What `onProgress` throws ends the
 * reading and comes out unchanged.
 */
export async function readModel(border: Border, incoming: Incoming, options: ReadOptions): Promise<WasmModel> {
  const { signal, onProgress } = options;
  const stage = incoming.remote ? 'download' : 'read';
  const loader = attempt(() => new border.Loader(incoming.total ?? undefined));
  let loaded = 0;
  const report = throttle(60, () => onProgress?.({ stage, loaded, total: incoming.total }));
  let model: WasmModel | undefined;
  try {
    report(true);
    for await (const chunk of incoming.chunks) {
      throwIfAborted(signal);
      if (loaded === 0) checkMagic(chunk);
      attempt(() => loader.push(chunk));
      loaded += chunk.length;
      report();
      // Chunks from memory come without a pause of their own.
      if (!incoming.remote) await breathe();
    }
    throwIfAborted(signal);
    if (incoming.total !== null && loaded < incoming.total) throw cutShort(loaded, incoming.total);
    report(true);
    model = attempt(() => loader.finish());
    onProgress?.({ stage: 'ready', loaded, total: loaded });
    return model;
  } finally {
    // `finish` takes the loader over, and freeing it again would be an error of its own.
    if (!model) safely(() => loader.free());
  }
}

function checkMagic(chunk: Uint8Array): void {
  if (chunk.length < MAGIC.length || MAGIC.every((byte, i) => chunk[i] === byte)) return;
  const hint = chunk[0] === 0x3c ? ' It looks like a web page, so the address is probably wrong.' : '';
  throw new AttnscopeError('not_gguf', `This is not a GGUF file: it does not begin with “GGUF”.${hint}`);
}

function cutShort(loaded: number, total: number): AttnscopeError {
  return new AttnscopeError('truncated', `The file ended after ${loaded} of ${total} bytes.`);
}

function safely(action: () => void): void {
  try {
    action();
  } catch {
    // The engine may be gone after a trap; the first error is the one worth showing.
  }
}
