/** Small pictures that are computed pixel by pixel; the style sheet scales them. */

/** Sizes a canvas and puts the pixels of `fill` on it. */
export function paintGrid(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
  fill: (out: Uint32Array) => void,
): void {
  const context = canvas.getContext('2d');
  if (!context || width === 0 || height === 0) return;
  canvas.width = width;
  canvas.height = height;
  const image = context.createImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}

/** A colour as a pixel, `alpha` from 0 to 1. */
export function translucent([r, g, b]: readonly [number, number, number], alpha: number): number {
  return ((Math.round(255 * alpha) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
