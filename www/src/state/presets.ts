import type { Values } from './params.js';

/** Prompts to begin with. Their text is fixed, so two people see the same thing. */
export interface Preset {
  id: string;
  title: string;
  hint: string;
  text: string;
  /** What is said after the answers, round by round. */
  turns?: readonly string[];
  /** Send it through the chat template. */
  chat: boolean;
  maxTokens: number;
  /** Values, by method, with which the model of `TUNED_FOR` answers this prompt; its defaults do not. */
  tuned?: Record<string, Values>;
  /** So many pads are drawn on, in place of a text. */
  pictures?: number;
  /** Methods that are chosen with it, and given back after it. */
  methods?: readonly string[];
  /** Budget parameters, by method, that stay as they are here; the others get what is left of the budget. */
  fixed?: Record<string, Values>;
}

/** The model that tuned values were found for: its name in the file, and for people. */
export const TUNED_FOR = { name: 'Smollm2 135M 8k Lc100K Mix1 Ep2', title: 'SmolLM2-135M' } as const;

/** So small a model needs heads that agree; the layer at which they choose again is the model's own. */
const TIDAL: Values = { share: 'all_heads', top_k: 64 };

/** The usual filler of pass-key tests, about 25 tokens. */
const FILLER = 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.';
const KEY = 'The pass key is 48213. Remember it. 48213 is the pass key.';
const ASK = 'Question: What is the pass key?\nAnswer: The pass key is number';

/** The needle lies after `before` of the `fillers` sentences. */
function needle(fillers: number, before: number): string {
  const lines = Array.from({ length: fillers }, () => FILLER);
  lines.splice(before, 0, KEY);
  return `${lines.join('\n')}\n${ASK}`;
}

export const PRESETS: readonly Preset[] = [
  {
    id: 'question',
    title: 'A question',
    hint: 'A short chat: every method still has room, so all agree until the budget is reached.',
    text: 'Why is the sky blue? Answer in three sentences.',
    chat: true,
    maxTokens: 96,
  },
  {
    id: 'needle-600',
    title: 'Long document with a needle, about 600 tokens',
    hint: 'A number is hidden in the first third. A method that dropped it cannot answer.',
    text: needle(22, 7),
    chat: false,
    maxTokens: 12,
    tuned: { tidal_decode: TIDAL, h2o: { heavy: 352, recent: 32 }, importance: { budget: 128 } },
  },
  {
    id: 'needle-1200',
    title: 'Long document with a needle, about 1 200 tokens',
    hint: 'Twice the length. A method that drops must guess what will be asked, long before the question comes.',
    text: needle(46, 15),
    chat: false,
    maxTokens: 12,
    tuned: { tidal_decode: TIDAL, importance: { budget: 768 } },
  },
  {
    id: 'conversation',
    title: 'Conversation in rounds',
    hint: 'Each message is a round. Round Attention reads, above one layer, only the rounds that the newest question is about.',
    text: 'Hello. My name is Ada and I have a grey cat called Tom.',
    turns: [
      'Paris is the capital of France. Say one thing about Paris.',
      'Which season comes after winter?',
      'What colour is my cat, and what is it called?',
    ],
    chat: true,
    maxTokens: 32,
  },
  {
    id: 'story',
    title: 'Long generation',
    hint: 'The cache fills with what the model writes itself; watch when each method begins to drop.',
    text: 'Write a long story about a lighthouse keeper who finds a map.',
    chat: true,
    maxTokens: 384,
  },
  {
    id: 'pictures',
    title: 'Pictures',
    hint: 'Draw digits and ask for one. Each picture is 16 rows of the prompt; a method that drops rows decides before the answer which of them stay.',
    text: 'Which digit is in picture A?',
    chat: true,
    // The words that the answer begins with, and the digit.
    maxTokens: 7,
    pictures: 4,
    methods: ['full', 'look_m'],
    // Of the newest tokens, the words after the question: a larger window would keep the last pictures whole.
    fixed: { look_m: { recent: 8 } },
  },
];
