import { History } from 'attnscope/trace';
import { describe, expect, it } from 'vitest';
import { Track } from '../src/state/track.svelte.js';

const SHAPE = { layers: 1, queryHeads: 1, kvHeads: 1, headDim: 4 };

/** A method whose answers have so many tokens, in a run whose answers begin at these steps. */
function answering(lengths: readonly number[], begins: readonly number[]): Track {
  const track = new Track({ name: 'm', title: 'M', params: [] }, {}, 1, () => new History(SHAPE));
  for (const [i, length] of lengths.entries()) {
    if (i > 0) track.turns.push({ at: track.said.length, step: begins[i], text: '' });
    for (let n = 0; n < length; n++) track.said.push({ id: n, text: '', position: 0, agrees: null });
  }
  return track;
}

describe('steps of a method and of the run', () => {
  it('are the same while all write', () => {
    const track = answering([4], [0]);
    expect([0, 1, 3].map((step) => track.indexAt(step))).toEqual([0, 1, 3]);
    expect(track.stepAt(3)).toBe(3);
    expect(answering([0], [0]).indexAt(0)).toBe(-1);
  });

  it('part where it ended an answer before the others, and meet where the next begins', () => {
    const track = answering([2, 3, 1], [0, 5, 9]);
    const at = Array.from({ length: 11 }, (_, step) => track.indexAt(step));
    expect(at).toEqual([0, 1, 1, 1, 1, 2, 3, 4, 4, 5, 5]);
    expect(track.said.map((_, i) => track.stepAt(i))).toEqual([0, 1, 5, 6, 7, 9]);
  });
});
