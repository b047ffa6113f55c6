/** The entry for Node: as `./index`, and a source may be the path of a file. Everything runs in the calling thread. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readOptions } from './checks.js';
import { AttnscopeError } from './errors.js';
import { loadWith } from './index.js';
import { type LocalEngine, openLocal } from './local.js';
import type { Engine, LoadOptions, Model, OpenOptions, ReadOptions, Source } from './types.js';

export { AttnscopeError } from './errors.js';
export type * from './types.js';

export async function open({ worker = false, wasm }: OpenOptions = {}): Promise<Engine> {
  if (worker !== false) throw new AttnscopeError('unsupported', 'In Node the engine runs in the calling thread.');
  // fetch of Node refuses file: addresses, so the default is read here.
  const engine = await openLocal(wasm ?? (await readFile(new URL('./wasm/attnscope_bg.wasm', import.meta.url))));
  return {
    methods: engine.methods,
    load: (source, options) => loadPath(engine, source, options),
    close: () => engine.close(),
  };
}

export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return loadWith(open, source, options);
}

async function loadPath(engine: LocalEngine, source: Source, given?: ReadOptions): Promise<Model> {
  const options = readOptions(given);
  const path = filePath(source);
  if (path === null) return engine.load(source, options);
  try {
    const { size } = await stat(path);
    const chunks: AsyncIterable<Uint8Array> = createReadStream(path, {
      highWaterMark: 1 << 20,
      signal: options.signal,
    });
    return await engine.loadFrom({ chunks, total: size, remote: false }, options);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') {
      throw new AttnscopeError('source', `There is no file ${path}.`, { cause: thrown });
    }
    throw thrown;
  }
}

function filePath(source: Source): string | null {
  if (source instanceof URL) return source.protocol === 'file:' ? fileURLToPath(source) : null;
  if (typeof source !== 'string') return null;
  if (source.startsWith('file:')) return fileURLToPath(source);
  return /^https?:|^data:|^blob:/.test(source) ? null : source;
}
