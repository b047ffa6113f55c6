/** The place of the pads, which come when a prompt with pictures is chosen: what the rest of the page asks of them. */
import type { Asked } from './pictures.js';

export interface Asking {
  /** How many pictures there are. */
  readonly count: number;
  /** Why there is nothing to run yet; empty if there is. */
  readonly why: string;
  ask(): Asked;
}

class Slot {
  pads = $state.raw<Asking | null>(null);
}

export const slot = new Slot();
