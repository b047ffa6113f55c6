/** Guessed tokens and what became of them. */

/** A guessed token that was checked. */
export interface Guess {
  id: number;
  /** The position it would take. */
  position: number;
  /** Whether the check made the same token there. */
  held: boolean;
}

const MADE = 0;
const GUESSED = 2;

/**
 * The guesses of a step: a draft makes some, one pass checks them all. The tokens that the check makes stop at the first
 * that differs, so a guess without a token at its place was rejected with it.
 */
export class Guesses {
  readonly #judged: Guess[] = [];
  /** The newest draft, by position. */
  #draft = new Map<number, Guess>();
  #checked = false;

  token(aux: number, id: number, position: number): void {
    if (aux === GUESSED) {
      if (this.#checked) this.#draft = new Map();
      this.#checked = false;
      this.#draft.set(position, { id, position, held: false });
    } else if (aux === MADE && this.#checked) {
      const guess = this.#draft.get(position);
      if (guess?.id === id) guess.held = true;
    }
  }

  verify(): void {
    if (!this.#checked) this.#judged.push(...this.#draft.values());
    this.#checked = true;
  }

  get judged(): readonly Guess[] {
    return this.#judged.map((guess) => ({ ...guess }));
  }
}
