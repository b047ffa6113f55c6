/** What the browser brings that not every browser does. It is asked for the thing itself, never for its name. */

/** A module whose one function splats a number over a vector: valid where there is fixed-width SIMD. */
const VECTOR = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  // Type 0: nothing to v128. Function 0 has type 0.
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00],
  // i32.const 0, i8x16.splat, end.
  ...[0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b],
);

export function hasSimd(): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(VECTOR);
}

/** Whether there is WebGPU at all; whether it has an adapter is asked when somebody wants one. */
export function hasWebGpu(): boolean {
  return 'gpu' in navigator;
}
