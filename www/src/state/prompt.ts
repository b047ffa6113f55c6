import type { Model } from 'attnscope';
import type { Asked, Given } from './pictures.js';

/** The ids of a prompt, put through the chat template where that is wanted and there is one. */
export async function promptIds(
  model: Pick<Model, 'info' | 'chat' | 'encode'>,
  text: string,
  chat: boolean,
): Promise<Uint32Array> {
  const full = chat && model.info.chatTemplate ? await model.chat([{ role: 'user', content: text }]) : text;
  return model.encode(full, { parseSpecial: chat, begin: true });
}

/** What a run begins with: a text, or what the pads ask. */
export async function given(model: Model, text: string, chat: boolean, asked: Asked | null): Promise<Given> {
  if (!asked) {
    const ids = await promptIds(model, text, chat);
    return { prompt: ids, ids, beginning: [] };
  }
  const prompt = await model.prompt([{ role: 'user', content: asked.parts }]);
  const words = await model.encode(asked.beginning);
  const beginning = await Promise.all(Array.from(words, async (id) => ({ id, text: await model.decode([id]) })));
  return { prompt, ids: prompt.ids, beginning };
}
