/** Patches of pictures on a canvas: where everything is, and how a row that was kept, merged or dropped looks. */
import { type Arc, Cell, COLOURS, crisp, drawMark, type StateName, type Theme } from 'attnscope/view';
import { ROWS, SIDE, type Stroke } from '../state/pictures.js';
import { drawStrokes } from './pad.js';
import { isKept, type Patches } from './patches.js';

export interface Box {
  x: number;
  y: number;
}

/** Where everything is on a canvas, for who draws and for who points. */
export interface Layout {
  /** Pixels of a patch. */
  cell: number;
  /** Corner of the grid of one head, for each picture; that of all heads is below it. */
  boxes: Box[];
  /** How far the grid of all heads is below that of one. */
  below: number;
  /** Positions of text, in order, and where they are drawn. */
  text: readonly number[];
  lane: { x: number; y: number; width: number };
  width: number;
  height: number;
}

const LETTER = 16;
const GAP = 14;
export const LANE = 12;
const CELLS = { least: 13, most: 26 };

/** As few lines of pictures as fit, and those evenly filled. */
export function layoutOf(pictures: readonly number[], prompt: number, width: number): Layout {
  const fit = Math.max(1, Math.floor((width + GAP) / (SIDE * CELLS.least + GAP)));
  const columns = Math.max(1, Math.ceil(pictures.length / Math.ceil(pictures.length / fit)));
  const room = (width + GAP) / columns - GAP;
  const cell = Math.max(CELLS.least, Math.min(CELLS.most, Math.floor(room / SIDE)));
  const below = SIDE * cell + 6;
  const high = LETTER + below + SIDE * cell + GAP;
  const boxes = pictures.map((_, i) => ({
    x: (i % columns) * (SIDE * cell + GAP),
    y: Math.floor(i / columns) * high + LETTER,
  }));
  const bottom = Math.ceil(pictures.length / columns) * high;
  const inPicture = (p: number) => pictures.some((first) => p >= first && p < first + ROWS);
  const text = Array.from({ length: prompt }, (_, p) => p).filter((p) => !inPicture(p));
  const lane = { x: 0, y: bottom, width: Math.min(width, Math.max(columns * (SIDE * cell + GAP) - GAP, 180)) };
  return { cell, boxes, below, text, lane, width, height: bottom + LANE + 2 };
}

/** The middle of a row of the prompt; null for what is drawn nowhere. */
export function placeOf(layout: Layout, pictures: readonly number[], position: number): Box | null {
  const { cell, boxes, text, lane } = layout;
  const index = pictures.findIndex((first) => position >= first && position < first + ROWS);
  if (index >= 0) {
    const patch = position - pictures[index];
    const { x, y } = boxes[index];
    return { x: x + ((patch % SIDE) + 0.5) * cell, y: y + (Math.floor(patch / SIDE) + 0.5) * cell };
  }
  const at = text.indexOf(position);
  return at < 0 ? null : { x: lane.x + ((at + 0.5) / text.length) * lane.width, y: lane.y + 1 };
}

/** The position that is drawn at a point, in either grid of a picture or in the line of the text. */
export function positionAt(layout: Layout, pictures: readonly number[], x: number, y: number): number | null {
  const { cell, boxes, below, text, lane } = layout;
  for (const [i, box] of boxes.entries()) {
    const column = Math.floor((x - box.x) / cell);
    for (const top of [box.y, box.y + below]) {
      const row = Math.floor((y - top) / cell);
      if (column >= 0 && column < SIDE && row >= 0 && row < SIDE) return pictures[i] + row * SIDE + column;
    }
  }
  if (y < lane.y || y > lane.y + LANE || x < lane.x || x >= lane.x + lane.width) return null;
  return text[Math.floor(((x - lane.x) / lane.width) * text.length)] ?? null;
}

interface Scene {
  layout: Layout;
  patches: readonly Patches[];
  /** Of the text, in the order of the layout. */
  text: readonly StateName[];
  letters: string;
  theme: Theme;
  colours: { ink: string; mute: string; line: string };
}

/** Rows as they are: filled where kept, pale with a stroke where dropped, smaller squares where fewer heads have them. */
export function drawPatches(
  canvas: HTMLCanvasElement,
  { layout, patches, text, letters, theme, colours }: Scene,
): void {
  const context = crisp(canvas, layout.width, layout.height);
  if (!context) return;
  const { cell, boxes, below, lane } = layout;
  const palette = COLOURS[theme];
  for (const [i, { states, shares }] of patches.entries()) {
    const box = boxes[i];
    context.fillStyle = colours.mute;
    context.font = '600 11px system-ui, sans-serif';
    context.fillText(letters[i] ?? String(i + 1), box.x, box.y - 4);
    for (let p = 0; p < ROWS; p++) {
      const [x, y] = [box.x + (p % SIDE) * cell, box.y + Math.floor(p / SIDE) * cell];
      context.fillStyle = palette[states[p]];
      context.fillRect(x, y, cell - 1, cell - 1);
      drawMark(context, Cell[states[p]], x, y, cell - 1, isKept(states[p]) ? palette.empty : colours.mute);
      context.fillStyle = palette.empty;
      context.fillRect(x, y + below, cell - 1, cell - 1);
      const side = Math.sqrt(shares[p]) * (cell - 1);
      context.fillStyle = palette.read;
      context.fillRect(x + (cell - 1 - side) / 2, y + below + (cell - 1 - side) / 2, side, side);
    }
  }
  const step = lane.width / Math.max(1, text.length);
  for (const [i, state] of text.entries()) {
    const kept = isKept(state);
    context.fillStyle = palette[state];
    context.fillRect(lane.x + i * step, lane.y + (kept ? 0 : LANE - 4), Math.max(1, step - 0.5), kept ? LANE : 4);
  }
}

/** What lies over it: the ink of the drawings, and an arc from every row that was dropped to the one it was merged into. */
export function drawOver(
  canvas: HTMLCanvasElement,
  layout: Layout,
  pictures: readonly number[],
  drawn: readonly (readonly Stroke[])[],
  arcs: readonly Arc[],
  colour: string,
): void {
  const context = crisp(canvas, layout.width, layout.height);
  if (!context) return;
  const size = layout.cell * SIDE;
  context.globalAlpha = 0.55;
  for (const [i, strokes] of drawn.entries()) {
    const box = layout.boxes[i];
    if (box) drawStrokes(context, strokes, { ...box, size, colour, brush: 0.03 });
  }
  context.globalAlpha = 0.5;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  for (const { dropped, into, merged } of arcs) {
    const [from, to] = [placeOf(layout, pictures, dropped), placeOf(layout, pictures, into)];
    if (!from || !to) continue;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    context.lineWidth = Math.min(2.5, 0.6 * Math.sqrt(merged));
    context.beginPath();
    context.moveTo(from.x, from.y);
    // Bent to one side, so that two ways between the same rows are two lines.
    context.quadraticCurveTo((from.x + to.x) / 2 + dy / 5, (from.y + to.y) / 2 - dx / 5, to.x, to.y);
    context.stroke();
    context.beginPath();
    context.arc(to.x, to.y, 2, 0, 2 * Math.PI);
    context.fill();
  }
}
