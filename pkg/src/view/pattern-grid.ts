/** Which of two ways each head took, as a grid: layers down, heads across. */
import type { Shape } from '../trace/cache-view.js';
import type { Choice } from '../trace/facts.js';
import { paintGrid, translucent } from './grid.js';

/** Okabe and Ito's blue and orange, good on light and dark. */
const FIRST = [0, 114, 178] as const;
const SECOND = [230, 159, 0] as const;
/** Pixels of a head in each direction; the second way is hatched, for hue alone would not do. */
const SIDE = 8;
const HATCH = 2;
/** What is left of a colour at the cut itself, and of a hatched pixel. */
const PALEST = 0.4;
const HATCHED = 0.35;

/** `[layers * 8, queryHeads * 8]` pixels; heads that had no choice are clear. The farther from the cut, the stronger. */
export function fillPatternGrid(choices: readonly Choice[], { layers, queryHeads }: Shape, out: Uint32Array): void {
  out.fill(0);
  // Not spread: a damaged block may have more choices than a call has arguments.
  const farthest = choices.reduce((most, choice) => Math.max(most, distance(choice)), 0);
  for (const choice of choices) {
    const { layer, head, first } = choice;
    if (layer >= layers || head >= queryHeads) continue;
    const alpha = PALEST + (1 - PALEST) * (farthest > 0 ? distance(choice) / farthest : 1);
    const own = translucent(first ? FIRST : SECOND, alpha);
    const hatch = first ? own : translucent(SECOND, alpha * HATCHED);
    for (let y = 0; y < SIDE; y++) {
      const row = (layer * SIDE + y) * queryHeads * SIDE + head * SIDE;
      for (let x = 0; x < SIDE; x++) out[row + x] = (x + y) % SIDE < HATCH ? hatch : own;
    }
  }
}

export function drawPatternGrid(canvas: HTMLCanvasElement, choices: readonly Choice[], shape: Shape): void {
  paintGrid(canvas, shape.queryHeads * SIDE, shape.layers * SIDE, (out) => fillPatternGrid(choices, shape, out));
}

function distance({ number, cut }: Choice): number {
  return Number.isFinite(number - cut) ? Math.abs(number - cut) : 0;
}
