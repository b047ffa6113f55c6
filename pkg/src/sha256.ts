/** SHA-256 of bytes that come in parts. `npm run build` bundles what is imported here, so that nobody installs it. */
import { createSHA256 } from 'hash-wasm';

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Of all bytes so far, as 64 hexadecimal digits. Nothing may follow. */
  hex(): string;
}

export async function sha256(): Promise<Sha256> {
  const hash = await createSHA256();
  hash.init();
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
}
