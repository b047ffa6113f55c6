/** Files that are dropped or chosen, and the run that comes with the page. */
import { AttnscopeError } from 'attnscope';
import { isTraceFile } from 'attnscope/trace';
import recorded from '../recorded.attn?url';
import { loader } from './loader.svelte.js';
import { takeLook } from './look.js';
import { openRun } from './opened.js';
import { problem } from './problems.js';
import { run } from './run.svelte.js';

/** What the run is called that comes with the page. */
export const BUNDLED = 'bundled';

/** One that a transfer damaged may still have its name. */
const TRACE = /\.attn$/i;

/** Takes a trace file or a model, whichever it is. What is on screen stays if it will not do. */
export async function takeFile(file: File): Promise<void> {
  if (!(await isTrace(file))) return loader.load(file, file.name);
  try {
    const opened = await openRun(file);
    await run.show(opened, file.name);
    takeLook(opened.look);
  } catch (thrown) {
    run.problem = problem(thrown);
  }
}

async function isTrace(file: File): Promise<boolean> {
  // A file that cannot be read is refused, with the reason, by whoever reads it next.
  return TRACE.test(file.name) || isTraceFile(file).catch(() => false);
}

/** Plays the run that comes with the page, unless something else is there by then. */
export async function playBundled(): Promise<void> {
  try {
    const response = await fetch(recorded);
    if (!response.ok) throw new AttnscopeError('http', `It answered ${response.status}.`);
    const opened = await openRun(await response.blob());
    if (run.step > 0) return;
    await run.show(opened, BUNDLED);
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    run.scrub.toggle();
  } catch {
    // The page does without: it says what to do for a run of one's own.
  }
}
