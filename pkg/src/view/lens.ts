import { cellAt, DENSITIES, headsOf, type Scene } from './cells.js';
import { css, type Lut } from './palette.js';
import { Cell, type CellState } from './states.js';

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
  const context = canvas.getContext('2d');
  if (!context) return;
  const heads = headsOf(scene);
  const ratio = window.devicePixelRatio || 1;
  const size = canvas.clientWidth / LENS_COLUMNS;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(heads * size * ratio);
  context.scale(ratio, ratio);
  const first = position - (LENS_COLUMNS >> 1);
  const ink = getComputedStyle(canvas).color;
  for (let row = 0; row < heads; row++) {
    for (let column = 0; column < LENS_COLUMNS; column++) {
      const state = cellAt(scene, layer, row, first + column);
      const [x, y] = [column * size, row * size];
      context.fillStyle = css(lut[state * DENSITIES + DENSITIES - 1]);
      context.fillRect(x, y, size - GAP, size - GAP);
      mark(context, state, x, y, size - GAP, state === Cell.evicted ? ink : css(lut[Cell.empty * DENSITIES]));
    }
  }
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.strokeRect((LENS_COLUMNS >> 1) * size - 1, head * size - 1, size + 1, size + 1);
}

/** Strokes of a mark, in parts of a cell: x, y to x, y. */
type Stroke = readonly [number, number, number, number];
const UP: Stroke = [0.25, 0.75, 0.75, 0.25];
const DOWN: Stroke = [0.25, 0.25, 0.75, 0.75];
const ACROSS: Stroke = [0.2, 0.5, 0.8, 0.5];
const UPRIGHT: Stroke = [0.5, 0.2, 0.5, 0.8];

/** What is just stored, or read by both, has no mark, and what is read has a dot. */
const STROKES: Partial<Record<CellState, readonly Stroke[]>> = {
  [Cell.evicted]: [UP],
  [Cell.quantised]: [ACROSS],
  [Cell.parked]: [
    [0.2, 0.35, 0.8, 0.35],
    [0.2, 0.65, 0.8, 0.65],
  ],
  [Cell.merged]: [ACROSS, UPRIGHT],
  [Cell.dropped]: [UP, DOWN],
  [Cell.missed]: [UPRIGHT],
  [Cell.lost]: [UP, DOWN],
};
const DOTS: ReadonlySet<CellState> = new Set([Cell.read, Cell.extra]);
const RINGS: ReadonlySet<CellState> = new Set([Cell.earlier]);

function mark(context: CanvasRenderingContext2D, state: CellState, x: number, y: number, size: number, colour: string) {
  context.lineWidth = 1.5;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.beginPath();
  for (const [x1, y1, x2, y2] of STROKES[state] ?? []) {
    context.moveTo(x + x1 * size, y + y1 * size);
    context.lineTo(x + x2 * size, y + y2 * size);
  }
  if (RINGS.has(state)) context.arc(x + size / 2, y + size / 2, size * 0.2, 0, 2 * Math.PI);
  context.stroke();
  if (!DOTS.has(state)) return;
  context.arc(x + size / 2, y + size / 2, size * 0.17, 0, 2 * Math.PI);
  context.fill();
}
