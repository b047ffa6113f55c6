/** Prompts as a caller has them, brought into the few forms that cross to the engine. */
import { refusal, tokenIds } from './checks.js';
import { AttnscopeError } from './errors.js';
import type * as Api from './types.js';

/** Where a text has a picture: the object replacement character, as the engine reads it. */
const MARK = '\u{fffc}';
/** Pixels on the longer side of what is taken from a canvas; a larger one is drawn smaller. */
const LARGE = 1024;

/** Text or messages whose marks stand for `pictures`, in order. */
export type PlainPrompt =
  | Uint32Array
  | Api.PromptTokens
  | { text: string; pictures: Api.Pixels[] }
  | { messages: Api.ChatMessage[]; pictures: Api.Pixels[] };

/** A prompt in any of its forms, nothing in it but what the engine reads. Throws `param`, `picture` or `token_id`. */
export function promptOf(prompt: Api.Prompt): PlainPrompt {
  if (typeof prompt === 'string') return { text: prompt, pictures: [] };
  if (prompt instanceof Uint32Array) return prompt;
  if (isTokens(prompt)) return prompt;
  if (!Array.isArray(prompt))
    throw refusal('prompt', prompt, 'text, token ids, messages, or text and pictures in a list');
  // An empty list is no prompt in any form; the engine says so.
  if (prompt.every((part) => typeof part === 'number')) return tokenIds(prompt);
  const pictures: Api.Pixels[] = [];
  if (prompt.some((part) => typeof part === 'string' || isPicture(part)))
    return { text: joined(prompt, pictures), pictures };
  return { messages: messagesOf(prompt, pictures), pictures };
}

/** Messages, with their two fields and no others; pictures in them go to `pictures`. Throws `param` or `picture`. */
export function messagesOf(messages: readonly Api.Message[], pictures?: Api.Pixels[]): Api.ChatMessage[] {
  if (!Array.isArray(messages)) throw refusal('messages', messages, 'a list of { role, content }');
  return messages.map((message: unknown) => {
    const { role, content } = Object(message) as Record<string, unknown>;
    if (typeof role === 'string' && typeof content === 'string') return { role, content };
    if (typeof role === 'string' && pictures && Array.isArray(content))
      return { role, content: joined(content, pictures) };
    throw refusal('messages', message, '{ role, content }, both text, or content a list of text and pictures');
  });
}

/** The parts as one text. */
function joined(parts: readonly unknown[], pictures: Api.Pixels[]): string {
  const illustrated = parts.some(isPicture);
  return parts
    .map((part) => {
      if (typeof part === 'string') {
        if (illustrated && part.includes(MARK)) throw refusal('prompt', MARK, 'beside pictures, any other character');
        return part;
      }
      if (!isPicture(part))
        throw refusal(
          'prompt',
          part,
          'text, or a picture: a canvas, ImageData, ImageBitmap or { data, width, height }',
        );
      pictures.push(pixelsOf(part));
      return MARK;
    })
    .join('');
}

function isTokens(prompt: unknown): prompt is Api.PromptTokens {
  const { ids, rounds, pictures, rows } = Object(prompt) as Record<string, unknown>;
  return [ids, rounds, pictures].every((list) => list instanceof Uint32Array) && rows instanceof Float32Array;
}

function isPicture(part: unknown): part is Api.Picture {
  const { width, height } = Object(part) as Record<string, unknown>;
  return typeof width === 'number' && typeof height === 'number';
}

/** What is on a picture, red, green, blue and alpha, or shades. */
function pixelsOf(picture: Api.Picture): Api.Pixels {
  if ('data' in picture) {
    const { data, width, height } = picture;
    if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return { data, width, height };
    throw refusal('data of a picture', data, 'a Uint8Array or a Uint8ClampedArray');
  }
  const scale = Math.min(1, LARGE / Math.max(picture.width, picture.height));
  // Up, for a long thin one keeps a pixel.
  const [width, height] = [picture.width, picture.height].map((side) => Math.ceil(side * scale));
  if (width === 0 || height === 0) throw new AttnscopeError('picture', 'A picture needs a width and a height.');
  const context = canvas(width, height)?.getContext('2d') as CanvasRenderingContext2D | null | undefined;
  if (!context) throw new AttnscopeError('unsupported', 'There is no canvas here; give { data, width, height }.');
  context.drawImage(picture, 0, 0, width, height);
  return { data: context.getImageData(0, 0, width, height).data, width, height };
}

function canvas(width: number, height: number): OffscreenCanvas | HTMLCanvasElement | null {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(width, height);
  return typeof document === 'object' ? Object.assign(document.createElement('canvas'), { width, height }) : null;
}
