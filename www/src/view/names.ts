import { Cell, type CellState, type Mode } from './cells.js';

/** A state in words, the same everywhere. */
export function stateName(state: CellState, mode: Mode): string {
  if (state === Cell.stored) return mode === 'reads' ? 'stored, not read' : 'stored';
  return {
    [Cell.empty]: 'no text yet',
    [Cell.evicted]: 'dropped earlier',
    [Cell.dropped]: 'dropped just now',
    [Cell.read]: 'read',
  }[state];
}

export const STATE_CLASSES: Record<CellState, string> = {
  [Cell.empty]: 'empty',
  [Cell.evicted]: 'evicted',
  [Cell.stored]: 'stored',
  [Cell.dropped]: 'dropped',
  [Cell.read]: 'read',
};
