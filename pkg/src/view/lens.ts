import { drawMark } from './cell-mark.js';
import { DENSITIES, headsOf, layerOf, type Scene } from './cells.js';
import { crisp } from './crisp.js';
import { css, type Lut } from './palette.js';
import { Cell } from './states.js';

/** A few cells, large: here every state has a mark of its own, because at this size a colour alone must not tell. */
export interface LensView {
  scene: Scene;
  layer: number;
  head: number;
  position: number;
}

const LENS_COLUMNS = 21;
const GAP = 1;

export function drawLens(canvas: HTMLCanvasElement, { scene, layer, head, position }: LensView, lut: Lut): void {
  const heads = headsOf(scene.view.shape, scene.mode);
  const stateOf = layerOf(scene, layer);
  const size = canvas.clientWidth / LENS_COLUMNS;
  const context = crisp(canvas, canvas.clientWidth, heads * size);
  if (!context) return;
  const first = position - (LENS_COLUMNS >> 1);
  const ink = getComputedStyle(canvas).color;
  for (let row = 0; row < heads; row++) {
    for (let column = 0; column < LENS_COLUMNS; column++) {
      const state = stateOf(row, first + column);
      const [x, y] = [column * size, row * size];
      context.fillStyle = css(lut[state * DENSITIES + DENSITIES - 1]);
      context.fillRect(x, y, size - GAP, size - GAP);
      drawMark(context, state, x, y, size - GAP, state === Cell.evicted ? ink : css(lut[Cell.empty * DENSITIES]));
    }
  }
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.strokeRect((LENS_COLUMNS >> 1) * size - 1, head * size - 1, size + 1, size + 1);
}
