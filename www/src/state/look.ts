/** How the run is looked at now. */

import { t } from '../words/words.svelte.js';
import { hover } from './hover.svelte.js';
import type { Look } from './recipe.js';
import { run } from './run.svelte.js';
import { settings } from './settings.svelte.js';

export function look(): Look {
  const { live, at } = run.scrub;
  return { mode: settings.all.mode, step: live ? null : at, cell: hover.locked ? hover.spot : null };
}

/** Looks at the run in this way, or as near to it as the run allows; what that is in words. */
export function takeLook({ mode, step, cell }: Look): string[] {
  const notes: string[] = [];
  settings.all.mode = mode;
  run.scrub.pause();
  if (step === null) run.scrub.follow();
  else run.scrub.seek(step);
  if (step !== null && run.scrub.at !== step) {
    notes.push(t('This run has no token {n}; token {shown} is shown.', { n: step + 1, shown: run.scrub.at + 1 }));
  }
  if (!cell) hover.free();
  else if (!hover.holdNear(cell, run.tracks, run.span))
    notes.push(t('This run has no such cell; the nearest one is held.'));
  return notes;
}
