/**
 * Every failure of this package is an `AttnscopeError`: `message` is for people, `code` for programs.
 *
 * Codes of the engine pass through unchanged (`file`, `truncated`, `unsupported`, `unknown_method`, `param`, `context`,
 * `memory`, …). The package adds: `aborted`, `network`, `http`, `not_gguf`, `source`, `state`, `closed`, `trace`,
 * `worker` and `engine`.
 */
export class AttnscopeError extends Error {
  override readonly name = 'AttnscopeError';
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The same failure as plain data, to cross a worker border. */
export interface PlainError {
  code: string;
  message: string;
}

/** Anything that was thrown, as an `AttnscopeError`. */
export function toError(thrown: unknown): AttnscopeError {
  if (thrown instanceof AttnscopeError) return thrown;
  if (isPlain(thrown)) return new AttnscopeError(thrown.code, thrown.message, { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const name = thrown instanceof Error ? thrown.name : '';
  if (name === 'AbortError') return aborted(thrown);
  // Browsers report a wasm memory that cannot grow, and a buffer that cannot be made, as a RangeError.
  if (thrown instanceof RangeError && /memory|allocation|buffer/i.test(message)) {
    return new AttnscopeError('memory', `Out of memory: ${message}`, { cause: thrown });
  }
  // A trap leaves the instance in an unknown state, so the advice is to start over.
  if (name === 'RuntimeError') {
    return new AttnscopeError('engine', `The engine stopped (${message}). Load the model again.`, { cause: thrown });
  }
  return new AttnscopeError('engine', message, { cause: thrown });
}

/** The error of a call that was cancelled. */
export function aborted(cause?: unknown): AttnscopeError {
  return new AttnscopeError('aborted', 'The work was stopped on request.', { cause });
}

/** Throws when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal.reason);
}

export function toPlain(thrown: unknown): PlainError {
  const { code, message } = toError(thrown);
  return { code, message };
}

function isPlain(value: unknown): value is PlainError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    'message' in value &&
    typeof value.code === 'string' &&
    typeof value.message === 'string'
  );
}
