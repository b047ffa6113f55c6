/** The mask of a head as cells: queries down, positions across, both binned alike. */
import { type Axis, type Cells, DENSITIES, fieldCounts, resize } from './cells.js';
import { type MaskRows, PLANES } from './head-history.js';
import { Cell } from './states.js';

/**
 * Fills a square of `axis.width` cells, the most severe state of a bin and how much of the bin it is. Rows before the
 * query `from` stay as they are: in a long run only the last changes.
 */
export function fillMask(rows: MaskRows, axis: Axis, out: Cells, from = 0): Cells {
  const { width, shift } = axis;
  const same = out.width === width && out.height === width && out.shift === shift;
  const first = same ? from >> shift : 0;
  if (first === 0) resize(out, axis, width, 1);
  else out.data.fill(0, first * width);
  const words = Math.ceil((width << shift) / 32);
  const planes = PLANES.map(() => new Uint32Array(words));
  const counts = PLANES.map(() => new Uint32Array(width));
  for (let y = first; y < width && y << shift < rows.length; y++) {
    for (const count of counts) count.fill(0);
    for (let query = y << shift; query < Math.min((y + 1) << shift, rows.length); query++) {
      rows.row(query, planes);
      countBins(planes, axis, counts);
    }
    for (let x = 0; x < width; x++) {
      const i = counts.findIndex((count) => count[x] > 0);
      if (i < 0) continue;
      const all = counts.reduce((sum, count) => sum + count[x], 0);
      const density = counts[i][x] === all ? DENSITIES - 1 : Math.floor((3 * counts[i][x]) / all);
      out.data[y * width + x] = Cell[PLANES[i]] * DENSITIES + density;
    }
  }
  return out;
}

/** Adds the positions of a row to the bins, each to that of its most severe plane. */
function countBins(planes: readonly Uint32Array[], { width, shift }: Axis, counts: readonly Uint32Array[]): void {
  const field = 1 << shift;
  const mask = field === 32 ? 0xffffffff : (1 << field) - 1;
  for (let w = 0; w < planes[0].length; w++) {
    let seen = 0;
    const first = (w * 32) >> shift;
    for (let i = 0; i < planes.length; i++) {
      const own = planes[i][w] & ~seen;
      if (own === 0) continue;
      seen |= own;
      const bins = fieldCounts(own, shift);
      const last = Math.min(width, first + (32 >> shift));
      for (let x = first; x < last; x++) counts[i][x] += (bins >>> ((x - first) * field)) & mask;
    }
  }
}
