/** The token lane: under the axis of a map, how many heads read each position. */
import type { CacheView } from '../trace/cache-view.js';
import type { Axis } from './cells.js';
import { CIVIDIS, type Lut } from './palette.js';

/** `[length]`: query heads, over all layers, that read the position in the newest pass. */
export function readersOf(view: CacheView): Uint32Array {
  const { words, read, length } = view;
  const counts = new Uint32Array(words * 32);
  for (let at = 0; at < read.length; at++) {
    const first = (at % words) * 32;
    for (let bits = read[at]; bits !== 0; bits &= bits - 1) counts[first + 31 - Math.clz32(bits & -bits)]++;
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
