/** Marks over a map: layers that choose for others are ringed, and a line stands above which only a choice is read. */
import { crisp } from './crisp.js';
import { COLOURS, type Theme } from './palette.js';
import type { Summary } from './verdict.js';

export interface Ring {
  layer: number;
  kind: 'ring' | 'line';
}

/** A layer that chose rounds has a line, for it chose once and not in this pass. */
export function ringsOf({ roles, rounds }: Summary): Ring[] {
  if (rounds) return [{ layer: rounds.layer, kind: 'line' }];
  return roles.flatMap((role, layer) => (role === 'chooses' ? [{ layer, kind: 'ring' as const }] : []));
}

/** Paints the marks on a canvas that lies over a map of `layers` layers. */
export function drawRings(canvas: HTMLCanvasElement, rings: readonly Ring[], layers: number, theme: Theme): void {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const context = crisp(canvas, width, height);
  if (!context) return;
  context.strokeStyle = COLOURS[theme].missed;
  context.lineWidth = 2;
  const size = height / layers;
  for (const { layer, kind } of rings) {
    const top = layer * size;
    if (kind === 'ring') context.strokeRect(1, top, width - 2, size);
    else {
      context.setLineDash([6, 4]);
      context.beginPath();
      context.moveTo(0, top + size);
      context.lineTo(width, top + size);
      context.stroke();
      context.setLineDash([]);
    }
  }
}
