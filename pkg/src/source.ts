import { AttnscopeError, aborted, toError } from './errors.js';
import type { Source } from './types.js';

/** Weights on their way in: chunks, and how many bytes they will be when that is known. */
export interface Incoming {
  chunks: AsyncIterable<Uint8Array>;
  total: number | null;
  stage: 'download' | 'read' | 'load';
  /** Told how it ended, once: whether the engine took the file, or it did not arrive in full. */
  end?: (how: 'loaded' | 'refused' | 'interrupted') => Promise<void>;
}

/** Bytes already in memory are handed on in pieces, so that progress is seen and a stop is heard. */
export const PIECE = 4 << 20;

export async function openSource(source: Source, signal?: AbortSignal): Promise<Incoming> {
  if (typeof source === 'string' || source instanceof URL || isA('Request', source)) {
    return fromResponse(await request(source as string | URL | Request, signal), signal);
  }
  if (isA('Response', source)) return fromResponse(source as Response, signal);
  if (isA('Blob', source)) {
    const blob = source as Blob;
    return { chunks: pull(blob.stream(), signal), total: blob.size, stage: 'read' };
  }
  if (isA('ReadableStream', source)) {
    return { chunks: pull(source as ReadableStream<Uint8Array>, signal), total: null, stage: 'read' };
  }
  if (source instanceof ArrayBuffer) return fromBytes(new Uint8Array(source));
  if (source instanceof Uint8Array) return fromBytes(source);
  throw new AttnscopeError('source', 'A model is read from a URL, a File, bytes, a Response or a ReadableStream.');
}

export async function request(
  source: string | URL | Request,
  signal?: AbortSignal,
  headers?: Record<string, string>,
): Promise<Response> {
  try {
    return await fetch(source, { signal, headers });
  } catch (thrown) {
    if (signal?.aborted) throw aborted(signal.reason);
    throw network(thrown);
  }
}

export function fromResponse(response: Response, signal?: AbortSignal): Incoming {
  if (!response.ok) {
    const { status, statusText } = response;
    throw new AttnscopeError(
      'http',
      `The server answered ${status} ${statusText} for ${response.url}.`.replace(' for .', '.'),
    );
  }
  if (!response.body) throw new AttnscopeError('network', 'The answer of the server has no body.');
  // With a content encoding the length counts other bytes than those that arrive here.
  const length = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  return { chunks: pull(response.body, signal), total: length === null ? null : Number(length), stage: 'download' };
}

function fromBytes(bytes: Uint8Array): Incoming {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
  }
  return { chunks: pieces(), total: bytes.length, stage: 'read' };
}

export async function* pull(stream: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  // A read that hangs is freed by cancelling the stream, which settles it.
  const cancel = () => void reader.cancel(signal?.reason).catch(() => undefined);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (signal?.aborted) throw aborted(signal.reason);
      if (done) return;
      yield value;
    }
  } catch (thrown) {
    if (signal?.aborted) throw aborted(signal.reason);
    throw thrown instanceof TypeError ? network(thrown) : toError(thrown);
  } finally {
    signal?.removeEventListener('abort', cancel);
    await reader.cancel().catch(() => undefined);
  }
}

function network(cause: unknown): AttnscopeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AttnscopeError('network', `The download failed (${why}). Check the connection and the address.`, {
    cause,
  });
}

/** `instanceof` for classes that a host may not have. */
function isA(name: 'Request' | 'Response' | 'Blob' | 'ReadableStream', value: unknown): boolean {
  const type = globalThis[name];
  return typeof type === 'function' && value instanceof type;
}

/** Addresses are relative to the page, and the worker may live elsewhere. */
export function absolute(url: string | URL): string {
  const base = typeof document === 'undefined' ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base).href;
  } catch (thrown) {
    throw new AttnscopeError('source', `${url} is not an address.`, { cause: thrown });
  }
}
