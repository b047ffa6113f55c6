/** A conversation that goes on: what a further message adds to a text that ends with an answer. */
import type { Model } from 'attnscope';

/** No template contains it, and no tokenizer sees it: only what stands after it is encoded. */
const ANSWER = '\u{f8ff}answer\u{f8ff}';

/**
 * The ids of a message after an answer, up to where the next answer begins. Every method is given the same ids, so that
 * their positions stay alike. `last`: the newest token of the answer; where it ends the answer, it is not said twice.
 */
export async function turnIds(
  model: Pick<Model, 'chat' | 'encode'>,
  message: string,
  last: number,
): Promise<Uint32Array> {
  const text = await model.chat([
    { role: 'user', content: '?' },
    { role: 'assistant', content: ANSWER },
    { role: 'user', content: message },
  ]);
  const ids = await model.encode(text.slice(text.indexOf(ANSWER) + ANSWER.length), { parseSpecial: true });
  return ids[0] === last ? ids.subarray(1) : ids;
}
