import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexAt, madeAt, stepAt, type Turn } from '../src/trace.js';

/** Answers of a method, and of the longest in the run. */
const answers = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(4)), { minLength: 1, maxLength: 5 });

/** Steps of the run, and what the method did in each: its own step, or null once its answer has ended. */
function played(rounds: readonly (readonly [own: number, more: number])[]) {
  const turns: Turn[] = [];
  const run: (number | null)[] = [];
  let at = 0;
  for (const [own, more] of rounds) {
    if (at > 0) turns.push({ at, step: run.length });
    for (let i = 0; i < own + more; i++) run.push(i < own ? at++ : null);
  }
  return { track: { steps: { length: at }, turns }, run };
}

describe('steps of a method and of the run', () => {
  it('find each other, whoever ended an answer first', () => {
    fc.assert(
      fc.property(answers, (rounds) => {
        const { track, run } = played(rounds);
        let last = -1;
        for (const [step, at] of run.entries()) {
          last = at ?? last;
          expect(indexAt(track, step)).toBe(last);
          expect(madeAt(track, step)).toBe(at ?? -1);
          if (at !== null) expect(stepAt(track, at)).toBe(step);
        }
      }),
      { seed: 48213 },
    );
  });

  it('are the same without further messages, and there are none before the first', () => {
    const track = { steps: { length: 3 } };
    expect([0, 1, 2, 3].map((step) => [indexAt(track, step), madeAt(track, step), stepAt(track, step)])).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [2, 2, 2],
      [2, -1, 3],
    ]);
    expect([indexAt({ steps: [] }, 0), madeAt({ steps: [] }, 0)]).toEqual([-1, -1]);
  });
});
