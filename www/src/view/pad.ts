/** Strokes on a canvas, for people and for the model. */
import type { Stroke } from '../state/pictures.js';

/** Width of the round brush, as a share of the side. */
export const BRUSH = 0.08;
/** Pixels on a side of what the model is given; it looks at 28 of them. */
const SIZE = 140;

/** Draws strokes in a square of `size` whose corner is at `x`, `y`. */
export function drawStrokes(
  context: CanvasRenderingContext2D,
  strokes: readonly Stroke[],
  { x, y, size, colour, brush = BRUSH }: { x: number; y: number; size: number; colour: string; brush?: number },
): void {
  context.save();
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.lineWidth = brush * size;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  for (const stroke of strokes) {
    context.beginPath();
    for (const [u, v] of stroke) context.lineTo(x + u * size, y + v * size);
    context.stroke();
    // A line of no length is not drawn everywhere.
    if (stroke.length > 1) continue;
    context.arc(x + stroke[0][0] * size, y + stroke[0][1] * size, (brush * size) / 2, 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
}

/** Fills a canvas with its strokes, as sharp as the screen is. */
export function drawPad(canvas: HTMLCanvasElement, strokes: readonly Stroke[]): void {
  const context = canvas.getContext('2d');
  const side = canvas.clientWidth;
  if (!context || side === 0) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(side * ratio);
  canvas.height = canvas.width;
  const size = canvas.width;
  drawStrokes(context, strokes, { x: 0, y: 0, size, colour: getComputedStyle(canvas).color });
}

/** The same in black on white, whatever the theme is. */
export function paperOf(strokes: readonly Stroke[]): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width: SIZE, height: SIZE });
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, SIZE, SIZE);
  drawStrokes(context, strokes, { x: 0, y: 0, size: SIZE, colour: '#000' });
  return canvas;
}
