import { AttnscopeError } from './errors.js';
import type { Incoming } from './source.js';

/** The chunks, hashed if somebody wants to know: compared at the end of a file that came in full, then told. */
export async function* checked(
  { chunks, total }: Pick<Incoming, 'chunks' | 'total'>,
  want: string | undefined,
  tell?: (sha256: string) => void,
): AsyncGenerator<Uint8Array> {
  if (want === undefined && !tell) return yield* chunks;
  const hash = await import('./sha256.js').then(({ sha256 }) => sha256());
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    yield chunk;
  }
  if (total !== null && bytes < total) return;
  const got = hash.hex();
  if (want !== undefined && got !== want) {
    throw new AttnscopeError('checksum', `This is another file: its SHA-256 is ${got}, wanted was ${want}.`);
  }
  tell?.(got);
}
