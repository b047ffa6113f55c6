/** Runs as the page makes them, from steps of a model that is not there: conversations, and texts on several hosts. */
import type { Step } from 'attnscope';
import { ALL_HEADS, History, Kind } from 'attnscope/trace';
import { concat, record } from '../../pkg/test/blocks.js';
import { Track } from '../src/state/track.svelte.js';

export const MODEL = { name: 'none', layers: 2, queryHeads: 2, kvHeads: 1, headDim: 4 };
export const PROMPT = [1, 2, 3];
export const textOf = async (id: number) => `<${id}>`;
export const MESSAGE = [91, 92, 93, 94];

/** What one of `hosts` records of a pass: it stores its share of the positions, and reads all it has. */
function block(first: number, rows: number, host: number, hosts: number, stored: number[]): Uint8Array {
  const own = Array.from({ length: rows }, (_, i) => first + i).filter((position) => position % hosts === host);
  stored.push(...own);
  const both = (kind: number, a = 0, b = 0) => [0, 1].map((layer) => record(kind, { layer, head: ALL_HEADS, a, b }));
  const count = 2 * stored.length;
  return concat([
    record(Kind.pass, { aux: rows > 1 ? 0 : 1, a: first, b: rows }),
    ...own.flatMap((position) => both(Kind.append, position, 1)),
    ...both(Kind.readAll),
    record(Kind.bytes, { a: 8 * count, b: count }),
    record(Kind.rows, { a: count, b: 2 * count }),
    ...(hosts > 1 ? [record(Kind.exchange, { aux: hosts, a: 10, b: 20 })] : []),
  ]);
}

export interface Proposal {
  id: number;
  end?: Step['end'];
}

/** A method that is told what to say. */
export class Speaker {
  readonly track: Track;
  readonly #stored: number[][];
  #position = PROMPT.length;
  /** Positions that nothing was read of yet. */
  #unread = PROMPT.length;

  constructor(name: string, index: number, hosts = 1) {
    const info = { name, title: name.toUpperCase(), params: [] };
    this.track = new Track(info, { n: index }, index, () => new History(MODEL), hosts);
    this.track.give(PROMPT, 0);
    this.#stored = Array.from({ length: hosts }, () => []);
  }

  /** Proposes a token in a step of the run, in which the first method proposes `lead`, which is taken where all get the same. */
  say({ id, end = null }: Proposal, lead: Proposal | null, same: boolean): void {
    const { track } = this;
    const first = this.#position - this.#unread;
    const blocks = this.#stored.map((stored, host) => block(first, this.#unread, host, this.#stored.length, stored));
    const steps = blocks.map((trace) => ({ id, text: `<${id}>`, position: this.#position, end, trace }) as Step);
    const step = steps.length > 1 ? { ...steps[0], trace: null, hosts: steps } : steps[0];
    const agrees = track.index === 0 || !lead ? null : lead.id === id;
    track.take(step, agrees, same && lead && lead.end !== 'eos' ? lead.id : id);
    this.#position++;
    this.#unread = 1;
  }

  /** Is told a further message, before a step of the run. */
  hear(text: string, step: number): void {
    this.track.give(MESSAGE, this.#position);
    this.track.turns.push({ at: this.track.said.length, step, text });
    this.#position += MESSAGE.length;
    this.#unread = MESSAGE.length + 1;
  }
}

/**
 * A run: what each method proposes, answer by answer. With the same tokens for all, an answer ends with the first one's;
 * otherwise each ends its own, and the next begins when all have.
 */
export function played(
  speakers: readonly Speaker[],
  answers: readonly (readonly Proposal[])[][],
  same: boolean,
): number {
  let step = 0;
  for (const [n, answer] of answers.entries()) {
    if (n > 0) for (const speaker of speakers) speaker.hear(`message ${n}`, step);
    const length = Math.max(...answer.map(({ length }) => length));
    for (let i = 0; i < length; i++, step++) {
      for (const [at, speaker] of speakers.entries())
        if (answer[at][i]) speaker.say(answer[at][i], answer[0][i] ?? null, same);
    }
  }
  return step;
}
