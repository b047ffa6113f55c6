import { AttnscopeError, type Model } from 'attnscope';
import type { TraceToken } from 'attnscope/trace';
import { t } from '../words/words.svelte.js';
import { PICTURE_ROW, PICTURE_SIGN } from './pictures.js';

/** Texts of the tokens of a run, and who knows the others: its model, as long as that is there. */
export class Texts {
  #known = new Map<number, string>();
  #decoder: Model | null = null;

  /** Ids mean something else in every model. */
  begin(decoder: Model | null, tokens: readonly TraceToken[] = []): void {
    if (this.#decoder === decoder && decoder) return;
    this.#decoder = decoder;
    this.#known = new Map(tokens.map(({ id, text }) => [id, text]));
  }

  /** Throws `closed` when nobody knows it any more. */
  async of(id: number): Promise<string> {
    if (id === PICTURE_ROW) return PICTURE_SIGN;
    const texts = this.#known;
    const known = texts.get(id);
    if (known !== undefined) return known;
    if (!this.#decoder) throw new AttnscopeError('closed', t('The model of this run is gone.'));
    // Another run may have other texts by then.
    const text = await this.#decoder.decode([id]);
    texts.set(id, text);
    return text;
  }
}
