/**
 * What a cell of a map can show, in the order of severity: where several positions share a cell, it shows the highest
 * that occurs among them, never a mean.
 */
export const Cell = {
  empty: 0,
  evicted: 1,
  stored: 2,
  earlier: 3,
  quantised: 4,
  parked: 5,
  merged: 6,
  dropped: 7,
  read: 8,
  both: 9,
  extra: 10,
  missed: 11,
  lost: 12,
} as const;
export type StateName = keyof typeof Cell;
export type CellState = (typeof Cell)[StateName];

/** The names by number. */
export const STATES = Object.keys(Cell) as StateName[];

/**
 * What a map shows. `reads`: rows are query heads, what the newest query read. `storage`: rows are KV heads, what is kept
 * and how. `difference`: rows are query heads, beside what another method read in the same step. Weights of attention are
 * in no trace, so there is no map of them.
 */
export type Mode = 'reads' | 'storage' | 'difference';

/** The states that a mode shows, the most severe first; where none of them is, the cell is empty. */
export const MODE_STATES: Readonly<Record<Mode, readonly StateName[]>> = {
  reads: ['read', 'parked', 'earlier', 'stored', 'evicted'],
  storage: ['dropped', 'merged', 'parked', 'quantised', 'stored', 'evicted'],
  difference: ['lost', 'missed', 'extra', 'both'],
};

/** A state in words, the same everywhere. */
export function stateName(state: CellState, mode: Mode): string {
  if (state === Cell.stored) return mode === 'reads' ? 'stored, not read' : 'stored';
  if (state === Cell.empty) return mode === 'difference' ? 'read by neither' : 'no text yet';
  return {
    [Cell.evicted]: 'dropped earlier',
    [Cell.earlier]: 'chosen a step ago',
    [Cell.quantised]: 'stored in 4-bit planes',
    [Cell.parked]: 'in the far tier',
    [Cell.merged]: 'others merged into it',
    [Cell.dropped]: 'dropped just now',
    [Cell.read]: 'read',
    [Cell.both]: 'read by both',
    [Cell.extra]: 'read here alone',
    [Cell.missed]: 'stored here, read there alone',
    [Cell.lost]: 'dropped here, read there',
  }[state];
}
