/**
 * Downloads that are kept: what is here is checked and read, what was interrupted goes on where it stopped, and what
 * arrives is written while the engine reads it. Where something cannot be kept, the model loads without and a notice says
 * why. Files are written with the synchronous calls that only workers have, since those keep every byte of an interrupted
 * download.
 */
import { checked } from './checked.js';
import { AttnscopeError, throwIfAborted, toError } from './errors.js';
import { throttle } from './slices.js';
import { fromResponse, type Incoming, openSource, PIECE, pull, request } from './source.js';
import { idOf, type Kept, Store, type SyncAccess } from './store.js';
import type { LoadNotice, ReadOptions } from './types.js';

/** The model at an address, from the cache or through it. */
export async function openKept(url: string, options: ReadOptions): Promise<Incoming> {
  const { cache, sha256, signal } = options;
  const name = typeof cache === 'object' ? cache.name : url;
  const notice = (code: LoadNotice['code'], message: string) => options.onNotice?.({ code, message });
  const store = await Store.open();
  if (!store) {
    notice('cache_unavailable', 'Nothing can be kept here: there is no private file system.');
    return openSource(url, signal);
  }
  const before = await store.record(name);
  const record = before?.url === url ? before : null;
  const hash = sha256 ?? record?.sha256;
  const file = hash ? await store.file(`${hash}.gguf`) : null;
  if (hash && file) {
    if (await isSound(file, hash, options)) {
      // Under another name, or known by its hash alone.
      if (record?.sha256 !== hash) await store.note({ ...blank(name, url), sha256: hash }).catch(() => undefined);
      return { chunks: pull(file.stream(), signal), total: file.size, stage: 'load' };
    }
    notice('cache_damaged', 'The file that was kept is damaged; it is downloaded again.');
    await store.remove(`${hash}.gguf`).catch(() => undefined);
  }
  let access: SyncAccess;
  try {
    // The name stands for another file from now on.
    if (before && (!record || before.sha256 !== hash)) await store.release(before);
    access = await store.access(`${await idOf(name)}.part`);
  } catch (thrown) {
    const isBusy = thrown instanceof DOMException && thrown.name === 'NoModificationAllowedError';
    if (isBusy) notice('cache_busy', 'Somebody else is downloading this file, so it is not kept here.');
    else notice('cache_unavailable', `Nothing can be kept here: ${toError(thrown).message}`);
    return openSource(url, signal);
  }
  if (!record) access.truncate(0);
  const part = new Part(store, access, record ?? blank(name, url), notice);
  try {
    return await part.open(options);
  } catch (thrown) {
    await part.end('interrupted');
    throw thrown;
  }
}

function blank(name: string, url: string): Kept {
  return { name, url, validator: null, total: null, sha256: null };
}

/** Whether a kept file is what its name says. */
async function isSound(file: File, hash: string, { signal, onProgress }: ReadOptions): Promise<boolean> {
  let loaded = 0;
  const report = throttle(60, () => onProgress?.({ stage: 'verify', loaded, total: file.size }));
  report(true);
  try {
    for await (const chunk of checked({ chunks: pull(file.stream(), signal), total: null }, hash)) {
      loaded += chunk.length;
      report();
    }
  } catch (thrown) {
    if (thrown instanceof AttnscopeError && thrown.code === 'checksum') return false;
    throw thrown;
  }
  report(true);
  return true;
}

/** A file that is not complete. */
class Part {
  #sha256: string | null = null;
  #writes = true;

  constructor(
    private readonly store: Store,
    private readonly access: SyncAccess,
    private record: Kept,
    private readonly notice: (code: LoadNotice['code'], message: string) => void,
  ) {}

  /** What is here already, and the rest from the network. */
  async open({ sha256, signal }: ReadOptions): Promise<Incoming> {
    throwIfAborted(signal);
    const isSame = (validator: string | null) =>
      sha256 !== undefined || (validator !== null && validator === this.record.validator);
    let here = isSame(this.record.validator) ? this.access.getSize() : 0;
    let rest: Incoming | null = null;
    if (here === 0 || here !== this.record.total) {
      const range = here > 0 ? { range: `bytes=${here}-` } : undefined;
      let response = await request(this.record.url, signal, range);
      const begins = response.headers.get('content-range')?.startsWith(`bytes ${here}-`) ?? true;
      if (here > 0 && !(response.status === 206 && begins && isSame(validatorOf(response)))) {
        // Another file by now, or a server that sends all or nothing.
        here = 0;
        if (response.status !== 200) {
          await response.body?.cancel();
          response = await request(this.record.url, signal);
        }
      }
      rest = fromResponse(response, signal);
      const total = rest.total === null ? null : here + rest.total;
      this.record = { ...this.record, validator: validatorOf(response), total, sha256: null };
      await this.#try(async () => {
        if (here === 0) this.access.truncate(0);
        await this.store.note(this.record);
      });
    }
    const pieces = { chunks: this.#chunks(here, rest), total: this.record.total };
    const tell = (hash: string) => {
      this.#sha256 = hash;
    };
    return { ...pieces, chunks: checked(pieces, sha256, tell), stage: 'download', end: (how) => this.end(how) };
  }

  async *#chunks(here: number, rest: Incoming | null): AsyncGenerator<Uint8Array> {
    let at = 0;
    while (at < here) {
      const piece = new Uint8Array(Math.min(PIECE, here - at));
      const read = this.access.read(piece, { at });
      if (read === 0) throw new AttnscopeError('source', 'The file that was kept cannot be read.');
      at += read;
      yield piece.subarray(0, read);
    }
    for await (const chunk of rest?.chunks ?? []) {
      await this.#try(() => {
        const written = this.access.write(chunk, { at });
        if (written < chunk.length) throw new DOMException('no room', 'QuotaExceededError');
      });
      at += chunk.length;
      yield chunk;
    }
  }

  /** Does what writes; when that fails, the model loads on without being kept. */
  async #try(write: () => unknown): Promise<void> {
    if (!this.#writes) return;
    try {
      await write();
    } catch (thrown) {
      this.#writes = false;
      const isFull = thrown instanceof DOMException && thrown.name === 'QuotaExceededError';
      if (isFull) this.notice('cache_full', 'There is no room to keep this file.');
      else this.notice('cache_unavailable', `This file cannot be kept: ${toError(thrown).message}`);
    }
  }

  /** The file counts once the engine has taken it; what it refused goes; what was interrupted stays, to go on. */
  async end(how: 'loaded' | 'refused' | 'interrupted'): Promise<void> {
    const part = `${await idOf(this.record.name)}.part`;
    await this.#try(() => this.access.flush());
    this.access.close();
    if (how === 'loaded') {
      await this.#try(async () => {
        const file = `${this.#sha256}.gguf`;
        // First what it is: if it ends here, all of the part is checked again.
        await this.store.note({ ...this.record, sha256: this.#sha256 });
        if (await this.store.file(file)) await this.store.remove(part);
        else await this.store.rename(part, file);
      });
    }
    if (how === 'refused' || !this.#writes) await this.store.remove(part).catch(() => undefined);
  }
}

/** What the server calls this state of the file. */
function validatorOf({ headers }: Response): string | null {
  const etag = headers.get('etag');
  return etag ?? headers.get('last-modified');
}
