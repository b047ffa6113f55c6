/** Codes of the engine, which pass through unchanged: those of `Error::code` in src/error.rs. */
export const ENGINE_CODES = [
  'combination',
  'context',
  'differ',
  'empty_prompt',
  'file',
  'gpu',
  'host',
  'memory',
  'param',
  'picture',
  'saved',
  'shape',
  'state',
  'template',
  'token_id',
  'tokenizer',
  'truncated',
  'unknown_method',
  'unknown_param',
  'unsupported',
] as const;

/** Codes that this package adds. */
const PACKAGE_CODES = [
  'aborted',
  'checksum',
  'closed',
  'engine',
  'http',
  'network',
  'not_gguf',
  'source',
  'trace',
  'worker',
] as const;

export type ErrorCode = (typeof ENGINE_CODES)[number] | (typeof PACKAGE_CODES)[number];

const CODES: ReadonlySet<unknown> = new Set([...ENGINE_CODES, ...PACKAGE_CODES]);

/** Every failure of this package is an `AttnscopeError`: `message` is for people, `code` for programs. */
export class AttnscopeError extends Error {
  override readonly name = 'AttnscopeError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The same failure as plain data, to cross a worker border. */
export interface PlainError {
  code: ErrorCode;
  message: string;
}

/** Of two sessions that cannot be compared. */
export function noneBetween(): AttnscopeError {
  return new AttnscopeError('unsupported', 'Compare two sessions of one model, on the CPU and without hosts.');
}

/** Anything that was thrown, as an `AttnscopeError`. */
export function toError(thrown: unknown): AttnscopeError {
  if (thrown instanceof AttnscopeError) return thrown;
  if (isPlain(thrown)) return new AttnscopeError(thrown.code, thrown.message, { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const name = thrown instanceof Error ? thrown.name : '';
  if (name === 'AbortError') return aborted(thrown);
  // What cannot cross to a worker: a function, say, among the options.
  if (name === 'DataCloneError') return new AttnscopeError('param', message, { cause: thrown });
  // Browsers report a wasm memory that cannot grow, and a buffer that cannot be made, as a RangeError.
  if (thrown instanceof RangeError && /memory|allocation|buffer/i.test(message)) {
    return new AttnscopeError('memory', `Out of memory: ${message}`, { cause: thrown });
  }
  // A trap leaves the instance in an unknown state, and a thread has one instance for as long as it lives.
  if (name === 'RuntimeError') {
    const advice = 'In a worker, close it and load again; otherwise restart the program.';
    return new AttnscopeError('engine', `The engine stopped (${message}). ${advice}`, { cause: thrown });
  }
  return new AttnscopeError('engine', message, { cause: thrown });
}

/** Runs a call of the engine with its failures in the form of this package. */
export function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toError(thrown);
  }
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

/** Only what the engine or a worker throws: errors of the host, such as those of files, have a `code` too. */
function isPlain(value: unknown): value is PlainError {
  return (
    typeof value === 'object' &&
    value !== null &&
    !(value instanceof Error) &&
    'code' in value &&
    'message' in value &&
    CODES.has(value.code) &&
    typeof value.message === 'string'
  );
}
