import { type AttnscopeError, aborted, throwIfAborted, toError, toPlain } from './errors.js';
import type { Calls, FromWorker, Port, Progress, Swap, ToWorker } from './protocol.js';

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  options: CallOptions;
}

export interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Chunks for a load that asks for them. */
  chunks?: AsyncIterator<Uint8Array>;
  /** For a run on one host of several. */
  swap?: Swap;
}

/** The client's end of a port: calls that settle exactly once, even when the worker dies. */
export class Caller {
  readonly #port: Port;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listener = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
  #last = 0;
  #dead: AttnscopeError | null = null;

  constructor(port: Port) {
    this.#port = port;
    port.addEventListener('message', this.#listener);
  }

  call<K extends keyof Calls>(call: K, input: Calls[K]['in'], options: CallOptions = {}): Promise<Calls[K]['out']> {
    return new Promise((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      const { signal } = options;
      throwIfAborted(signal);
      const id = ++this.#last;
      const abort = () => this.#post({ id, abort: true });
      signal?.addEventListener('abort', abort, { once: true });
      const done = () => {
        signal?.removeEventListener('abort', abort);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        options,
        resolve: (value) => {
          done();
          resolve(value as Calls[K]['out']);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      try {
        this.#post({ id, call, input } as ToWorker);
      } catch (thrown) {
        done();
        throw toError(thrown);
      }
    });
  }

  /** Rejects everything that waits and everything that will be asked. */
  end(error: AttnscopeError): void {
    this.#dead ??= error;
    this.#port.removeEventListener('message', this.#listener);
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
  }

  #receive(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    if ('value' in message) waiting.resolve(message.value);
    else if ('error' in message) waiting.reject(toError(message.error));
    else if ('progress' in message) this.#report(message.id, message.progress, waiting);
    else if ('partial' in message) void this.#swap(message.id, message.partial, waiting);
    else void this.#feed(message.id, waiting.options);
  }

  /** What the callback throws ends the call and comes out of it unchanged. */
  #report(id: number, progress: Progress, { options, reject }: Waiting): void {
    try {
      options.onProgress?.(progress);
    } catch (thrown) {
      this.#post({ id, abort: true });
      reject(thrown);
    }
  }

  async #feed(id: number, { chunks, signal }: CallOptions): Promise<void> {
    try {
      const next = await chunks?.next();
      if (signal?.aborted) throw aborted(signal.reason);
      // A copy, because the bytes may be a view of a buffer that the caller goes on using.
      const chunk = !next || next.done ? null : next.value.slice();
      this.#post({ id, chunk }, chunk ? [chunk.buffer] : []);
    } catch (thrown) {
      this.#post({ id, failed: toPlain(thrown) });
    }
  }

  async #swap(id: number, partial: Float32Array, { options, reject }: Waiting): Promise<void> {
    try {
      const partials = (await options.swap?.(partial)) ?? [];
      const buffers = partials.map(({ buffer }) => buffer as ArrayBuffer);
      this.#post({ id, partials }, buffers);
    } catch (thrown) {
      reject(thrown);
    }
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}
