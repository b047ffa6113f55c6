import type { CacheView } from 'attnscope/trace';
import { Cell, type CellState, cellAt, DENSITIES, type Mode } from './cells.js';
import type { Lut } from './palette.js';

/** A few cells, large: here every state has a mark of its own, because at this size a colour alone must not tell. */
export interface LensView {
  view: CacheView;
  mode: Mode;
  layer: number;
  head: number;
  position: number;
}

export const LENS_COLUMNS = 21;
const GAP = 1;

export function drawLens(canvas: HTMLCanvasElement, { view, mode, layer, head, position }: LensView, lut: Lut): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const heads = mode === 'reads' ? view.shape.queryHeads : view.shape.kvHeads;
  const ratio = window.devicePixelRatio || 1;
  const size = canvas.clientWidth / LENS_COLUMNS;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(heads * size * ratio);
  context.scale(ratio, ratio);
  const first = position - (LENS_COLUMNS >> 1);
  for (let row = 0; row < heads; row++) {
    for (let column = 0; column < LENS_COLUMNS; column++) {
      const at = first + column;
      const state = at < 0 ? Cell.empty : cellAt(view, mode, layer, row, at);
      const [x, y] = [column * size, row * size];
      context.fillStyle = css(lut[state * DENSITIES + DENSITIES - 1]);
      context.fillRect(x, y, size - GAP, size - GAP);
      mark(context, state, x, y, size - GAP, css(lut[Cell.empty * DENSITIES]));
    }
  }
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 2;
  context.strokeRect((LENS_COLUMNS >> 1) * size - 1, head * size - 1, size + 1, size + 1);
}

/** Read: a dot. Dropped just now: a cross. Dropped earlier: a stroke. Stored: nothing. */
function mark(context: CanvasRenderingContext2D, state: CellState, x: number, y: number, size: number, light: string) {
  context.lineWidth = 1.5;
  context.strokeStyle = state === Cell.evicted ? getComputedStyle(context.canvas).color : light;
  context.fillStyle = light;
  context.beginPath();
  const [a, b] = [size * 0.25, size * 0.75];
  if (state === Cell.read) context.arc(x + size / 2, y + size / 2, size * 0.17, 0, 2 * Math.PI);
  if (state === Cell.dropped || state === Cell.evicted) {
    context.moveTo(x + a, y + b);
    context.lineTo(x + b, y + a);
  }
  if (state === Cell.dropped) {
    context.moveTo(x + a, y + a);
    context.lineTo(x + b, y + b);
  }
  if (state === Cell.read) context.fill();
  else context.stroke();
}

function css(pixel: number): string {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}
