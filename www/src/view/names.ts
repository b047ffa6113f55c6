import { Cell, type CellState } from './cells.js';

/** The states in words, the same everywhere. */
export const STATE_NAMES: Record<CellState, string> = {
  [Cell.empty]: 'no text yet',
  [Cell.evicted]: 'dropped earlier',
  [Cell.stored]: 'stored, not read',
  [Cell.dropped]: 'dropped just now',
  [Cell.read]: 'read',
};

export const STATE_CLASSES: Record<CellState, string> = {
  [Cell.empty]: 'empty',
  [Cell.evicted]: 'evicted',
  [Cell.stored]: 'stored',
  [Cell.dropped]: 'dropped',
  [Cell.read]: 'read',
};
