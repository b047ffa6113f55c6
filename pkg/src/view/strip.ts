/** Draws bands under the axis of a map, each in a line of its own. */
import type { Band, SpanBand, TierBand } from './bands.js';
import type { Axis } from './cells.js';
import { crisp } from './crisp.js';
import { COLOURS, type Theme } from './palette.js';

const LINE = 16;
const GAP = 4;

/** Pixels of a style sheet that the bands take. */
function stripHeight(bands: readonly Band[]): number {
  return bands.length * (LINE + GAP);
}

/** The colour of the text around a canvas, by theme: asking for it makes the browser lay the page out. */
const inks = new WeakMap<HTMLCanvasElement, Partial<Record<Theme, string>>>();

function inkOf(canvas: HTMLCanvasElement, theme: Theme): string {
  const known = inks.get(canvas) ?? {};
  known[theme] ??= getComputedStyle(canvas).color;
  inks.set(canvas, known);
  return known[theme];
}

/**
 * Paints the bands on a canvas as wide as the map above it, and gives it the height they need. Who knows the width already
 * says it, for the same reason.
 */
export function drawStrip(
  canvas: HTMLCanvasElement,
  bands: readonly Band[],
  axis: Axis,
  theme: Theme,
  width = canvas.clientWidth,
): void {
  const height = stripHeight(bands);
  const style = `${height}px`;
  if (canvas.style.height !== style) canvas.style.height = style;
  const context = crisp(canvas, width, height);
  if (!context) return;
  const ink = inkOf(canvas, theme);
  bands.forEach((band, i) => {
    const top = i * (LINE + GAP) + GAP;
    if (band.kind === 'spans') drawSpans(context, band, { axis, width, top, ink, theme });
    else drawTiers(context, band, { axis, width, top, ink, theme });
  });
}

interface Place {
  axis: Axis;
  width: number;
  top: number;
  ink: string;
  theme: Theme;
}

/** A bracket under each span and its bar on it. */
function drawSpans(
  context: CanvasRenderingContext2D,
  { spans }: SpanBand,
  { axis, width, top, ink, theme }: Place,
): void {
  const scale = width / (axis.width << axis.shift);
  const foot = top + LINE - 4;
  for (const { first, end, state, hatched, bar } of spans) {
    const [x, w] = [first * scale, Math.max(1, (end - first) * scale - 1)];
    const height = Math.max(1, bar * (LINE - 5));
    if (hatched) hatch(context, x, foot - height, w, height, COLOURS[theme][state]);
    else {
      context.fillStyle = COLOURS[theme][state];
      context.fillRect(x, foot - height, w, height);
    }
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x + 0.5, foot + 0.5);
    context.lineTo(x + 0.5, foot + 3.5);
    context.lineTo(x + w - 0.5, foot + 3.5);
    context.lineTo(x + w - 0.5, foot + 0.5);
    context.stroke();
  }
}

function hatch(context: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, w, h);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = x - h; at < x + w; at += 4) {
    context.moveTo(at, y + h);
    context.lineTo(at + h, y);
  }
  context.stroke();
  context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
  context.restore();
}

/** One line a tier, the denser the more of the column's rows are in it. */
function drawTiers(context: CanvasRenderingContext2D, { tiers }: TierBand, { axis, width, top, theme }: Place): void {
  const [column, line] = [width / axis.width, LINE / tiers.length];
  tiers.forEach(({ state, shares }, i) => {
    context.fillStyle = COLOURS[theme][state];
    shares.forEach((share, x) => {
      if (share === 0) return;
      context.globalAlpha = 0.25 + 0.75 * share;
      // A hair wider than it is, so that neighbours have no seam.
      context.fillRect(x * column, top + i * line, column + 0.3, line - 1);
    });
  });
  context.globalAlpha = 1;
}
