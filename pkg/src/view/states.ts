import { percent } from './format.js';
import { say } from './words.js';

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
  faint: 13,
  weight1: 14,
  weight2: 15,
  weight3: 16,
  weight4: 17,
  weight5: 18,
  weight6: 19,
} as const;
export type StateName = keyof typeof Cell;
export type CellState = (typeof Cell)[StateName];

/** The names by number. */
export const STATES = Object.keys(Cell) as StateName[];

/**
 * What a map shows. `reads`: rows are query heads, what the newest query read. `storage`: rows are KV heads, what is kept
 * and how. `weights`: rows are query heads, how much of its attention the newest query gave to each position.
 * `difference`: rows are query heads, beside what another method read in the same step.
 */
export const MODES = ['reads', 'storage', 'weights', 'difference'] as const;
export type Mode = (typeof MODES)[number];

/** The states that a mode shows, the most severe first; where none of them is, the cell is empty. */
export const MODE_STATES: Readonly<Record<Mode, readonly StateName[]>> = {
  reads: ['read', 'parked', 'earlier', 'stored', 'evicted'],
  storage: ['dropped', 'merged', 'parked', 'quantised', 'stored', 'evicted'],
  weights: ['weight6', 'weight5', 'weight4', 'weight3', 'weight2', 'weight1', 'faint', 'evicted'],
  difference: ['lost', 'missed', 'extra', 'both'],
};

/** The least weight that each of the states `weight1`, `weight2` … stands for: even steps of a logarithm, nearly. */
export const WEIGHT_STEPS = [1 / 256, 0.01, 0.03, 0.07, 0.17, 0.4] as const;

/** The states whose name is the same wherever they are shown. */
type Named = Exclude<CellState, 0 | 2 | 14 | 15 | 16 | 17 | 18 | 19>;

/** A state in words, the same everywhere. */
export function stateName(state: CellState, mode: Mode): string {
  if (state === Cell.stored) return mode === 'reads' ? say('stored, not read') : say('stored');
  if (state === Cell.empty && mode === 'weights') return say('no weights');
  if (state === Cell.empty) return mode === 'difference' ? say('read by neither') : say('no text yet');
  if (state >= Cell.weight1) return say('{share} or more', { share: percent(WEIGHT_STEPS[state - Cell.weight1]) });
  return {
    [Cell.evicted]: say('dropped earlier'),
    [Cell.earlier]: say('chosen a step ago'),
    [Cell.quantised]: say('stored in 4-bit planes'),
    [Cell.parked]: say('in the far tier'),
    [Cell.merged]: say('others merged into it'),
    [Cell.dropped]: say('dropped just now'),
    [Cell.read]: say('read'),
    [Cell.both]: say('read by both'),
    [Cell.extra]: say('read here alone'),
    [Cell.missed]: say('stored here, read there alone'),
    [Cell.lost]: say('dropped here, read there'),
    [Cell.faint]: say('less than {share}', { share: percent(WEIGHT_STEPS[0]) }),
  }[state as Named];
}
