/**
 * The entry of the worker: import it from a worker of your own, or let `load` start this file. Importing it is what
 * makes it serve, so the manifest names it, alone, under `sideEffects`: bundlers keep an import without names.
 */
import type { Port } from './protocol.js';
import { serve as serveWith } from './serve.js';

export type { Port } from './protocol.js';

// Imported anywhere else it does nothing.
if (typeof document === 'undefined' && typeof globalThis.postMessage === 'function') {
  serve(globalThis as unknown as Port);
}

/** Answers one client on any port, such as one end of a `MessageChannel`, with an engine in this thread. */
export function serve(port: Port): void {
  serveWith(port);
}
