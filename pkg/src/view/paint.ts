import { AttnscopeError } from '../errors.js';
import type { Cells } from './cells.js';
import type { Lut } from './palette.js';

/** Paints cells on a canvas, one cell a pixel; the style sheet scales it. */
export class MapPainter {
  readonly #context: CanvasRenderingContext2D;
  #image: ImageData | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new AttnscopeError('unsupported', 'This browser gave no 2D canvas.');
    this.#context = context;
  }

  draw({ width, height, data }: Cells, lut: Lut): void {
    if (width === 0 || height === 0) return;
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height || !this.#image) {
      canvas.width = width;
      canvas.height = height;
      this.#image = this.#context.createImageData(width, height);
    }
    const pixels = new Uint32Array(this.#image.data.buffer);
    for (let i = 0; i < data.length; i++) pixels[i] = lut[data[i]];
    this.#context.putImageData(this.#image, 0, 0);
  }
}
