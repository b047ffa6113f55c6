import { toError } from './errors.js';
import type { EngineSource } from './types.js';
import type * as Wasm from './wasm/attnscope.js';

export type Border = typeof Wasm;

let opened: Promise<Border> | undefined;

/**
 * The wasm module, started once per thread. `source` replaces the file beside this module, for bundlers and hosts that
 * put it elsewhere; it counts only the first time.
 */
export function openBorder(source?: EngineSource): Promise<Border> {
  opened ??= start(source).catch((thrown: unknown) => {
    // A start that failed (offline, say) may be tried again.
    opened = undefined;
    throw toError(thrown);
  });
  return opened;
}

async function start(source?: EngineSource): Promise<Border> {
  const border = await import('./wasm/attnscope.js');
  // Without an argument the generated code fetches its own neighbour by `new URL(…, import.meta.url)`.
  await border.default(source === undefined ? undefined : { module_or_path: source });
  return border;
}
