/** What a banner says: what went wrong, in the words of the failure, and what can be done about it. */
export interface Problem {
  code: string;
  title: string;
  detail: string;
}

/** Headline and advice by error code; the message of the error goes between them. */
const KNOWN: Record<string, readonly [title: string, advice: string]> = {
  not_gguf: ['That file is not a model', 'Choose a file that ends in .gguf.'],
  file: ['That model file is damaged', 'Download it again, or choose another file.'],
  truncated: ['That model file is incomplete', 'Download it again; the download was probably interrupted.'],
  unsupported: ['That model is not supported', 'Llama-architecture GGUF files with common quantisations work.'],
  network: ['The download failed', 'Are you offline? You can try again, or choose a file from this device.'],
  http: ['The model is not at that address', 'Check the address, or choose a file from this device.'],
  memory: ['Out of memory', 'Use fewer methods at once, a shorter prompt or fewer tokens, or a smaller model.'],
  context: ['The text is too long', 'Shorten the prompt or generate fewer tokens.'],
  empty_prompt: ['The prompt is empty', 'Write something, or choose an example.'],
  template: ['The chat template of this model did not work', 'Untick “as a chat message”.'],
  worker: ['The engine stopped', 'Your prompt and settings are kept.'],
  engine: ['The engine stopped', 'Your prompt and settings are kept.'],
  param: ['A parameter is out of range', 'See the marked field.'],
  storage: ['Settings could not be saved', 'The page works, but forgets them when it is closed.'],
};

/** Codes after which the engine cannot be trusted and must be started anew. */
export const FATAL = new Set(['engine', 'worker']);

export function codeOf(thrown: unknown): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : 'engine';
}

export function problem(thrown: unknown): Problem {
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [title, advice] = KNOWN[code] ?? ['That did not work', ''];
  return { code, title, detail: [message, advice].filter(Boolean).join(' ') };
}
