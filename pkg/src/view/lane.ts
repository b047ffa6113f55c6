/** The token lane: under the axis of a map, how many heads read each position. */
import type { CacheView } from '../trace/cache-view.js';
import type { Axis } from './cells.js';
import { CIVIDIS, type Lut } from './palette.js';

/** Digits of a count of heads: 255 layers of 254 heads are fewer than 2^16. */
const DIGITS = 16;

/**
 * `[length]`: query heads, over all layers, that read the position in the newest pass. The counts of 32 positions are kept
 * as binary digits, one word a digit, so that a row is added to all of them at once.
 */
export function readersOf(view: CacheView): Uint32Array {
  const { words, read, length } = view;
  const counts = new Uint32Array(words * 32);
  const digits = new Uint32Array(DIGITS);
  for (let w = 0; w < words; w++) {
    digits.fill(0);
    for (let at = w; at < read.length; at += words) {
      let carry = read[at];
      for (let d = 0; carry !== 0; d++) {
        const both = digits[d] & carry;
        digits[d] ^= carry;
        carry = both;
      }
    }
    for (let d = 0; d < DIGITS; d++) {
      if (digits[d] === 0) continue;
      for (let bit = 0; bit < 32; bit++) counts[w * 32 + bit] += ((digits[d] >>> bit) & 1) << d;
    }
  }
  return counts.subarray(0, length);
}

/** One pixel a column: the most readers in it, never the mean, as a share of all heads; `none` where nobody reads. */
export function fillLane(view: CacheView, { width, shift }: Axis, none: number, out: Uint32Array): void {
  const heads = view.shape.layers * view.shape.queryHeads;
  const readers = readersOf(view);
  for (let x = 0; x < width; x++) {
    let most = 0;
    for (const count of readers.subarray(x << shift, (x + 1) << shift)) most = Math.max(most, count);
    out[x] = most === 0 ? none : CIVIDIS[Math.round((255 * most) / heads)];
  }
}

/** Paints the lane on a canvas one pixel high; the style sheet scales it. */
export function drawLane(canvas: HTMLCanvasElement, view: CacheView, axis: Axis, lut: Lut): void {
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) return;
  canvas.width = axis.width;
  canvas.height = 1;
  const image = context.createImageData(axis.width, 1);
  fillLane(view, axis, lut[0], new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}
