/**
 * The entry for Node: as `./index`, and a source may be the path of a file. Everything runs in the calling thread, except
 * that each of several hosts has a thread of its own.
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { hostOptions, readOptions } from './checks.js';
import { openBorder } from './engine.js';
import { AttnscopeError, aborted, throwIfAborted, toError } from './errors.js';
import { openHosts } from './hosts.js';
import { loadWith } from './index.js';
import { LocalEngine, type LocalModel } from './local.js';
import { fetchProjector } from './projector.js';
import type { Files, Port } from './protocol.js';
import { openRemote } from './remote.js';
import { Thread } from './thread.js';
import type { Engine, LoadOptions, Model, OpenOptions, ReadOptions, Source } from './types.js';

export { AttnscopeError, type ErrorCode } from './errors.js';
export { type KeptModel, models, removeModel } from './models.js';
export type * from './types.js';

const OWN_WASM = new URL('./wasm/attnscope_bg.wasm', import.meta.url);
const OWN_PROJECTOR = new URL('./picture_projector.safetensors', import.meta.url);

export async function open({ worker, wasm, projector, ...options }: OpenOptions = {}): Promise<Engine> {
  if (worker) throw new AttnscopeError('unsupported', 'In Node the engine runs in the calling thread.');
  if (options.hosts === undefined) return openNode({ wasm, projector });
  const { hosts, limit } = hostOptions(options);
  const source = wasm instanceof Response ? await wasm.arrayBuffer() : wasm;
  const engine = await openHosts(hosts, limit, (events) => {
    const thread = new Thread(new URL('./node-worker.js', import.meta.url));
    return openRemote(thread as unknown as Port, { wasm: source, projector }, () => thread.terminate(), events);
  });
  const load: Engine['load'] = (source, reading) => {
    // Threads share the working folder, but a source that is a path crosses to them as an address.
    const path = filePath(source);
    return engine.load(path === null ? source : pathToFileURL(path), reading);
  };
  return { methods: engine.methods, load, gpu: () => engine.gpu(), close: () => engine.close() };
}

/** The engine in this thread, which reads files too. */
export async function openNode({ wasm = OWN_WASM, projector = OWN_PROJECTOR }: Files = {}): Promise<LocalEngine> {
  // fetch of Node refuses file: addresses, so files are read here.
  const path = pathOf(wasm);
  const border = await openBorder(path === null ? wasm : await readFile(path).catch(broken));
  const file = pathOf(projector);
  return new NodeEngine(border, file === null ? fetchProjector(projector) : () => readFile(file).catch(broken));
}

function pathOf(source: unknown): string | null {
  return typeof source === 'string' || source instanceof URL ? filePath(source) : null;
}

export async function load(source: Source, options: LoadOptions = {}): Promise<Model> {
  return loadWith(open, source, options);
}

function broken(thrown: unknown): never {
  throw toError(thrown);
}

class NodeEngine extends LocalEngine {
  override async load(source: Source, given?: ReadOptions): Promise<LocalModel> {
    const path = filePath(source);
    if (path === null) return super.load(source, given);
    const options = readOptions(source, given);
    throwIfAborted(options.signal);
    if (options.cache) options.onNotice?.({ code: 'cache_unavailable', message: 'A file is read where it is.' });
    const file = await stat(path).catch((thrown: unknown) => {
      throw unreadable(path, thrown);
    });
    // A pipe has no size.
    const total = file.isFile() ? file.size : null;
    return this.loadFrom({ chunks: chunksOf(path, options.signal), total, stage: 'read' }, options);
  }
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
