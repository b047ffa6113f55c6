/** Merges of a head as arcs over the axis: from what was dropped to what it was added to. */

import { crisp } from './crisp.js';
import type { Fold } from './head-history.js';
import { COLOURS, type Theme } from './palette.js';

export interface Arc extends Fold {
  /** How many were added to the same row: the arc is as thick. */
  merged: number;
}

/** More arcs than a screen can tell apart. */
const MOST = 240;

/** The arcs to draw; where there are more than fit, evenly chosen, with the counts of all. */
export function arcsOf(folds: readonly Fold[], most = MOST): Arc[] {
  const counts = new Map<number, number>();
  for (const { into } of folds) counts.set(into, (counts.get(into) ?? 0) + 1);
  const every = Math.ceil(folds.length / most);
  return folds.filter((_, i) => i % every === 0).map((fold) => ({ ...fold, merged: counts.get(fold.into) ?? 0 }));
}

/** Paints arcs on a canvas as wide as `span` positions, their feet at its lower edge. */
export function drawArcs(canvas: HTMLCanvasElement, arcs: readonly Arc[], span: number, theme: Theme): void {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const context = crisp(canvas, width, height);
  if (!context) return;
  context.strokeStyle = COLOURS[theme].merged;
  context.globalAlpha = 0.7;
  const x = (position: number) => ((position + 0.5) / span) * width;
  for (const { dropped, into, merged } of arcs) {
    const [from, to] = [x(dropped), x(into)];
    // Far ones rise higher, and none leaves the canvas.
    const rise = Math.min(2 * height - 4, 8 + Math.abs(to - from));
    context.lineWidth = Math.min(5, Math.sqrt(merged));
    context.beginPath();
    context.moveTo(from, height);
    context.quadraticCurveTo((from + to) / 2, height - rise, to, height);
    context.stroke();
  }
}
