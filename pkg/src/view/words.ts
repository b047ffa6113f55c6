/** The words of everything that is drawn: English, unless a page has others. */

export type Values = Readonly<Record<string, string | number>>;

let translate = (text: string): string => text;

/**
 * Gives this view the words of another language: `words` gets an English text, with its places as `{name}`, and answers
 * with the same text in that language, or with the one it got where it knows none. A text of a number is asked for by
 * its form: `{n} token` or `{n} tokens`. What has been said stays said: draw anew, or call `verdict` again.
 */
export function setWords(words: (text: string) => string): void {
  translate = words;
}

/** A text in the words that are set, with `values` in its places. */
export function say(text: string, values: Values = {}): string {
  return translate(text).replace(/\{(\w+)\}/g, (place, name) =>
    Object.hasOwn(values, name) ? String(values[name]) : place,
  );
}
