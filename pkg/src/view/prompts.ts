/** How a prompt was read, as its passes tell: whole, in blocks that see only its beginning, or round by round. */
import type { CacheView } from '../trace/cache-view.js';
import type { Facts, Prefill } from '../trace/facts.js';

/** Blocks of a prompt that read themselves and its first `anchor` positions. */
export interface Blocks {
  count: number;
  /** Positions of the largest. */
  size: number;
  anchor: number;
}

/** Null where every pass reads all before it. */
export function promptBlocks({ prefills }: Facts): Blocks | null {
  const anchored = prefills.filter((pass) => anchorOf(pass) !== null);
  if (anchored.length === 0) return null;
  const anchor = Math.max(...anchored.map((pass) => anchorOf(pass) ?? 0));
  // The first two see nothing that they would not see anyway.
  const blocks = prefills.filter((pass) => anchorOf(pass) !== null || (pass.runs.length === 0 && pass.first <= anchor));
  return { count: blocks.length, size: Math.max(...blocks.map(({ rows }) => rows)), anchor };
}

/** The anchor of a pass that reads a gap less than all before it; null for any other. */
function anchorOf({ first, rows, runs }: Prefill): number | null {
  if (runs.length !== 2) return null;
  const [[start, anchor], [own, width]] = runs;
  return start === 0 && anchor < first && own === first && width === rows ? anchor : null;
}

/** A round of a conversation. */
export interface Round {
  first: number;
  /** The position after its last. */
  end: number;
  /** Share of the newest question's attention that it got; null for the newest itself. */
  share: number | null;
  /** Whether the layers above the one that chose read it, and whether they have it in the far tier. */
  read: boolean;
  parked: boolean;
}

export interface Rounds {
  /** The layer that chose; the layers above it read only the choice. */
  layer: number;
  rounds: Round[];
}

/** Null where nothing chose among rounds. */
export function roundsOf(view: CacheView, { prefills, table }: Facts): Rounds | null {
  if (!table || table.layer + 1 >= view.shape.layers) return null;
  // A table has a column for every round before the newest.
  const starts = prefills.slice(-(table.values.length + 1)).map(({ first }) => first);
  if (starts.length <= table.values.length) return null;
  const total = table.values.reduce((sum, value) => sum + value, 0);
  const above = table.layer + 1;
  const parked = (position: number) => view.isParked(above, 0, position);
  const rounds = starts.map((first, i): Round => {
    const share = i < table.values.length && total > 0 ? table.values[i] / total : null;
    return {
      first,
      end: starts[i + 1] ?? view.length,
      share,
      read: view.isRead(above, 0, first),
      parked: parked(first),
    };
  });
  return { layer: table.layer, rounds };
}
