/** Keys that mean the same in every panel and on the timeline. They do nothing elsewhere, so no text field loses a letter. */
import { MODES, type Mode } from 'attnscope/view';
import { share } from '../share/share.svelte.js';
import { hover } from './hover.svelte.js';
import { layout } from './layout.svelte.js';
import { run } from './run.svelte.js';
import { settings } from './settings.svelte.js';

export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['Space', 'play or pause'],
  ['← →', 'on the timeline: a token back or on; on a map: a position'],
  ['Shift + ← →', 'on the timeline: to the next event; on a map: 32 positions'],
  ['↑ ↓', 'on a map: a row; Page Up and Page Down: a layer'],
  ['Home, End', 'first and last token, or position'],
  ['Enter, Esc', 'hold a cell, free it'],
  ['[ ]', 'the head before, the head after'],
  ['1 to 8', 'give a map all the room, and take it back'],
  ['M', 'next of reads, storage, weights, difference'],
  ['L', 'back to the newest token'],
  ['P', 'pin the cell'],
  ['S', 'copy a link to what is shown'],
  ['?', 'this list'],
];

class Shortcuts {
  /** Whether the list of keys is open. */
  listed = $state(false);

  /** Does what a key means; false when it means nothing. */
  press(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    const { key } = event;
    const panel = Number(key) - 1;
    // A button takes the space bar itself.
    if (key === ' ' && !(event.target instanceof HTMLButtonElement)) run.scrub.toggle();
    else if (key === '[' || key === ']') this.#head(key === ']' ? 1 : -1);
    else if (Number.isInteger(panel) && panel >= 0 && panel < Math.min(8, run.tracks.length)) layout.toggle(panel);
    else if (key.toLowerCase() === 'm') settings.all.mode = nextMode(settings.all.mode, run.tracks.length);
    else if (key.toLowerCase() === 'l') run.scrub.follow();
    else if (key.toLowerCase() === 'p') hover.pin();
    else if (key.toLowerCase() === 's') void share.copy();
    else if (key === '?') this.listed = true;
    else return false;
    event.preventDefault();
    return true;
  }

  /** The next head, over the end of a layer to the next. */
  #head(by: 1 | -1): void {
    const { spot } = hover;
    const shape = spot && run.tracks[spot.track]?.view.shape;
    if (!shape) return;
    const rows = shape.layers * shape.queryHeads;
    const row = (spot.layer * shape.queryHeads + spot.head + by + rows) % rows;
    hover.spot = { ...spot, layer: Math.floor(row / shape.queryHeads), head: row % shape.queryHeads };
  }
}

/** With one method there is no difference to show. */
export function nextMode(mode: Mode, methods: number): Mode {
  const modes = MODES.filter((mode) => methods > 1 || mode !== 'difference');
  return modes[(modes.indexOf(mode) + 1) % modes.length];
}

export const shortcuts = new Shortcuts();
