// The same prompt for everybody: a fixed text, repeated and cut to exactly N tokens.
const TEXT = `The harbour was quiet in the morning. Two boats had come in before the tide turned, and the men who had sailed
them sat on the wall, mending a net and talking about the weather. A girl counted the baskets on the quay: seventeen of
herring, four of mackerel, one of crabs that tried to climb out. She wrote the numbers in a small book, as her mother had
taught her, and put the book away when the buyer arrived with his cart. He offered less than the week before. `;

/**
 * Ids for those who take ids and text for those who take text. A text cut between two tokens can have other tokens
 * than the ids it was made of; then the text starts a word later, until both agree.
 * @param {{ tokenize(text: string): number[], detokenize(ids: number[]): string }} model
 * @param {number} tokens
 */
export function prompt({ tokenize, detokenize }, tokens) {
  let long = TEXT;
  while (tokenize(long).length < tokens + 100) long += TEXT;
  for (let words = 0; words < 50; words++) {
    const ids = tokenize(long.split(' ').slice(words).join(' ')).slice(0, tokens);
    const text = detokenize(ids);
    if (String(tokenize(text)) === String(ids)) return { ids, text };
  }
  throw new Error(`no text of exactly ${tokens} tokens found`);
}
