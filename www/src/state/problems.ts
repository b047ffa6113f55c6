import { AttnscopeError, type ErrorCode } from 'attnscope';
import { t } from '../words/words.svelte.js';

/** What a banner says: what went wrong, in the words of the failure, and what can be done about it. */
export interface Problem {
  code: ErrorCode | 'storage' | 'simd';
  title: string;
  detail: string;
}

/** Headline and advice by error code; the message of the error goes between them. */
export const KNOWN: Partial<Record<ErrorCode, readonly [title: string, advice: string]>> = {
  not_gguf: ['That file is not a model', 'Choose a file that ends in .gguf.'],
  file: ['That model file is damaged', 'Download it again, or choose another file.'],
  truncated: ['That model file is incomplete', 'Download it again; the download was probably interrupted.'],
  unsupported: [
    'That is not supported',
    'Llama-architecture GGUF files with common quantisations work; the CPU has every method.',
  ],
  network: ['The download failed', 'Are you offline? You can try again, or choose a file from this device.'],
  http: ['The model is not at that address', 'Check the address, or choose a file from this device.'],
  gpu: ['The GPU cannot be used', 'Choose CPU, or update the browser and its graphics driver.'],
  memory: ['Out of memory', 'Use fewer methods at once, a shorter prompt or fewer tokens, or a smaller model.'],
  context: ['The text is too long', 'Shorten the prompt or generate fewer tokens.'],
  picture: ['A picture cannot be used', 'Draw a digit on every pad, or take a sample.'],
  empty_prompt: ['The prompt is empty', 'Write something, or choose an example.'],
  template: ['The chat template of this model did not work', 'Untick “as a chat message”.'],
  trace: ['That trace file cannot be shown', 'What was on the page is still there.'],
  worker: ['The engine stopped', 'Your prompt and settings are kept.'],
  engine: ['The engine stopped', 'Your prompt and settings are kept.'],
  param: ['A parameter is out of range', 'See the marked field.'],
  state: ['That has to wait', 'Try again in a moment.'],
};

/** Of any other failure. */
export const OTHER = 'That did not work';

/** When the browser keeps nothing for this page, as in private windows of some. */
export const notSaved = (): Problem => ({
  code: 'storage',
  title: t('Settings could not be saved'),
  detail: t('The page works, but forgets them when it is closed.'),
});

/** The engine is compiled for SIMD; without it, every method would take several times as long. */
export const noSimd = (): Problem => ({
  code: 'simd',
  title: t('The engine cannot run here'),
  detail: t(
    'This browser has no WebAssembly SIMD. Recorded runs and trace files can be looked at all the same; for runs of your own, update the browser.',
  ),
});

/** Codes after which the engine cannot be trusted and must be started anew. */
export const FATAL: ReadonlySet<Problem['code']> = new Set(['engine', 'worker']);

/** The code of a failure; anything that is no error of the engine is a mistake of the page, and as fatal. */
export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof AttnscopeError ? thrown.code : 'engine';
}

export function problem(thrown: unknown): Problem {
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [title, advice] = KNOWN[code] ?? [OTHER, ''];
  return { code, title: t(title), detail: [t(message), t(advice)].filter(Boolean).join(' ') };
}
