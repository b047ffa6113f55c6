import { Worker } from 'node:worker_threads';

/** A thread of Node with the face of a browser's worker. */
export class Thread extends EventTarget {
  readonly #worker: Worker;

  constructor(address: URL) {
    super();
    this.#worker = new Worker(address);
    this.#worker.on('message', (data: unknown) => this.dispatchEvent(new MessageEvent('message', { data })));
    this.#worker.on('error', ({ message }: Error) => this.#fail(message));
    this.#worker.on('exit', () => this.#fail('it has ended'));
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    this.#worker.postMessage(message, transfer as Parameters<Worker['postMessage']>[1]);
  }

  terminate(): void {
    this.#worker.removeAllListeners('exit');
    void this.#worker.terminate();
  }

  #fail(message: string): void {
    this.dispatchEvent(Object.assign(new Event('error'), { message }));
  }
}
