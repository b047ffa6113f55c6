/** What the page puts into a trace file beside the run, whoever makes one. */
import type { History, TraceToken } from 'attnscope/trace';
import { type Look, type Recipe, SETTINGS_VERSION } from './recipe.js';

/** A type, for whoever writes files takes any record. */
type Kept = {
  recipe: Partial<Recipe>;
  look?: Look;
  /** How the text of each track ended. */
  ends: readonly ('eos' | 'length' | null)[];
  /** Version of the package. */
  attnscope: string;
  /** Tokens that the answers had to begin with, where there are any. */
  beginning?: number;
  /** Positions that the maps have room for. */
  span?: number;
};

export async function keptSettings(
  kept: Kept,
  histories: readonly History[],
  textOf: (id: number) => Promise<string>,
): Promise<Kept & { page: number; guesses: TraceToken[] }> {
  // Of guesses that did not hold nobody else would know the words. Most steps have those of the step before.
  const rounds = new Set(histories.flatMap(({ steps }) => steps.map(({ facts }) => facts.guesses)));
  const ids = new Set([...rounds].flatMap((guesses) => guesses.map(({ id }) => id)));
  const guesses = await Promise.all(Array.from(ids, async (id) => ({ id, text: await textOf(id) })));
  return { ...kept, page: SETTINGS_VERSION, guesses };
}
