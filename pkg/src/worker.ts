/** The entry of the worker: import it from a worker of your own, or let `load` start this file. */
import type { Port } from './protocol.js';
import { serve } from './serve.js';

// Imported anywhere else it does nothing.
if (typeof document === 'undefined' && typeof globalThis.postMessage === 'function') {
  serve(globalThis as unknown as Port);
}

export { serve };
