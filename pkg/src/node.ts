/** The entry for Node: as `./index`, and a source may be the path of a file. Everything runs in the calling thread. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readOptions } from './checks.js';
import { AttnscopeError, aborted, throwIfAborted, toError } from './errors.js';
import { loadWith } from './index.js';
import { type LocalEngine, openLocal } from './local.js';
import type { Engine, LoadOptions, Model, OpenOptions, ReadOptions, Source } from './types.js';

export { AttnscopeError, type ErrorCode } from './errors.js';
export type * from './types.js';

const OWN_WASM = new URL('./wasm/attnscope_bg.wasm', import.meta.url);

export async function open({ worker = false, wasm }: OpenOptions = {}): Promise<Engine> {
  if (worker !== false) throw new AttnscopeError('unsupported', 'In Node the engine runs in the calling thread.');
  // fetch of Node refuses file: addresses, so the default is read here.
  const engine = await openLocal(wasm ?? (await readFile(OWN_WASM).catch(broken)));
  return {
    methods: engine.methods,
    load: (source, options) => loadPath(engine, source, options),
    close: () => engine.close(),
  };
}

export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return loadWith(open, source, options);
}

function broken(thrown: unknown): never {
  throw toError(thrown);
}

async function loadPath(engine: LocalEngine, source: Source, given?: ReadOptions): Promise<Model> {
  const options = readOptions(given);
  const path = filePath(source);
  if (path === null) return engine.load(source, options);
  throwIfAborted(options.signal);
  const file = await stat(path).catch((thrown: unknown) => {
    throw unreadable(path, thrown);
  });
  // A pipe has no size.
  const total = file.isFile() ? file.size : null;
  return engine.loadFrom({ chunks: chunksOf(path, options.signal), total, remote: false }, options);
}

async function* chunksOf(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 20, signal });
  } catch (thrown) {
    throw signal?.aborted ? aborted(signal.reason) : unreadable(path, thrown);
  }
}

function unreadable(path: string, thrown: unknown): AttnscopeError {
  const missing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const message = missing ? `There is no file ${path}.` : `The file ${path} cannot be read (${why}).`;
  return new AttnscopeError('source', message, { cause: thrown });
}

/** The path that a source names, or null when it is read in another way. */
function filePath(source: Source): string | null {
  const name = source instanceof URL ? source.href : source;
  if (typeof name !== 'string' || /^https?:|^data:|^blob:/.test(name)) return null;
  if (!name.startsWith('file:')) return source instanceof URL ? null : name;
  try {
    return fileURLToPath(name);
  } catch (thrown) {
    throw unreadable(name, thrown);
  }
}
