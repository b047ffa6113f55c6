/**
 * The entry of the worker: import it from a worker of your own, or let `load` start this file. Importing it is what
 * makes it serve, so the manifest names it, alone, under `sideEffects`: bundlers keep an import without names.
 */
import type { Port } from './protocol.js';
import { serve } from './serve.js';

// Imported anywhere else it does nothing.
if (typeof document === 'undefined' && typeof globalThis.postMessage === 'function') {
  serve(globalThis as unknown as Port);
}

export { serve };
