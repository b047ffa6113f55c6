/** The mark of a state on a cell that is large enough for one: there a colour alone must not tell. */
import { Cell, type CellState } from './states.js';

/** Strokes of a mark, in parts of a cell: x, y to x, y. */
type Stroke = readonly [number, number, number, number];
const UP: Stroke = [0.25, 0.75, 0.75, 0.25];
const DOWN: Stroke = [0.25, 0.25, 0.75, 0.75];
const ACROSS: Stroke = [0.2, 0.5, 0.8, 0.5];
const UPRIGHT: Stroke = [0.5, 0.2, 0.5, 0.8];

/** What is just stored, or read by both, has no mark, what is read has a dot, and a weight one that grows with it. */
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

export function drawMark(
  context: CanvasRenderingContext2D,
  state: CellState,
  x: number,
  y: number,
  size: number,
  colour: string,
): void {
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
  const weight = Math.max(0, state - Cell.faint);
  if (weight === 0 && !DOTS.has(state)) return;
  context.arc(x + size / 2, y + size / 2, size * (weight > 0 ? 0.06 * weight : 0.17), 0, 2 * Math.PI);
  context.fill();
}
