import { checked } from './checked.js';
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
  const { stage, total } = incoming;
  const loader = attempt(() => new border.Loader(total ?? undefined));
  let loaded = 0;
  const report = throttle(60, () => onProgress?.({ stage, loaded, total }));
  let model: WasmModel | undefined;
  let how: 'loaded' | 'refused' | 'interrupted' = 'interrupted';
  const judge = <T>(call: () => T): T => {
    how = 'refused';
    const result = attempt(call);
    how = 'interrupted';
    return result;
  };
  try {
    report(true);
    for await (const chunk of checked(incoming, options.sha256)) {
      throwIfAborted(signal);
      judge(() => {
        if (loaded === 0) checkMagic(chunk);
        loader.push(chunk);
      });
      loaded += chunk.length;
      report();
      // Chunks from memory come without a pause of their own.
      if (stage !== 'download') await breathe();
    }
    throwIfAborted(signal);
    if (total !== null && loaded < total) throw cutShort(loaded, total);
    report(true);
    model = judge(() => loader.finish());
    how = 'loaded';
  } catch (thrown) {
    if (thrown instanceof AttnscopeError && thrown.code === 'checksum') how = 'refused';
    throw thrown;
  } finally {
    // `finish` takes the loader over, and freeing it again would be an error of its own.
    if (!model) safely(() => loader.free());
    await incoming.end?.(how);
  }
  onProgress?.({ stage: 'ready', loaded, total: loaded });
  return model;
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
