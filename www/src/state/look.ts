/** How the run is looked at now. */
import { hover } from './hover.svelte.js';
import type { Look } from './recipe.js';
import { run } from './run.svelte.js';
import { settings } from './settings.svelte.js';

export function look(): Look {
  const { live, at } = run.scrub;
  return { mode: settings.all.mode, step: live ? null : at, cell: hover.locked ? hover.spot : null };
}

/** Looks at the run in this way, or as near to it as the run allows. */
export function takeLook({ mode, step, cell }: Look): void {
  settings.all.mode = mode;
  if (step === null) run.scrub.follow();
  else run.scrub.seek(step);
  if (cell) hover.hold(cell, run.tracks);
  else hover.free();
}
