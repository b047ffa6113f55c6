import { AttnscopeError, throwIfAborted } from './errors.js';
import type { PortEvents, RemoteEngine } from './remote.js';
import { Watch } from './watch.js';

/** What all hosts share: who they are, the watch over them, and how they end. */
export class Group {
  engines: RemoteEngine[] = [];
  readonly watch: Watch;
  readonly hosts: readonly number[];

  constructor(count: number, limit: number) {
    this.hosts = Array.from({ length: count }, (_, host) => host);
    this.watch = new Watch(limit, (host) => this.lose(host, `no answer for ${(limit / 1000).toFixed(1)} s`));
  }

  events(host: number): PortEvents {
    return { heard: () => this.watch.heard(host), stopped: (why) => this.lose(host, `its worker stopped${why}`) };
  }

  /** Ends all hosts, because one is lost; whatever is asked of them from now on gets the same error. */
  lose(host: number, why: string): AttnscopeError {
    const error = new AttnscopeError('host', `Host ${host} is lost: ${why}. Load the model again.`);
    for (const engine of this.engines) engine.stop(error);
    return error;
  }

  /**
   * The same work on every host. When it fails on one, the signal stops it on the others, what they made is undone, and
   * the first failure comes out.
   */
  async each<T>(
    work: (host: number, signal: AbortSignal) => Promise<T>,
    { undo, signal }: { undo?: (made: T) => Promise<unknown>; signal?: AbortSignal } = {},
  ): Promise<T[]> {
    throwIfAborted(signal);
    const { stop, release } = following(signal);
    const failures: unknown[] = [];
    const results = await Promise.allSettled(
      this.hosts.map((host) =>
        work(host, stop.signal).catch((thrown: unknown) => {
          failures.push(thrown);
          stop.abort();
          throw thrown;
        }),
      ),
    );
    release();
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (failures.length === 0) return made;
    if (undo) await Promise.allSettled(made.map(undo));
    throw failures[0];
  }
}

/** A controller that stops when `signal` does, until it is released. */
export function following(signal: AbortSignal | undefined): { stop: AbortController; release: () => void } {
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  return { stop, release: () => signal?.removeEventListener('abort', abort) };
}
