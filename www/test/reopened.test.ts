import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { stepsCsv } from '../src/export/csv.js';
import { traceFile } from '../src/export/trace.js';
import { readRecipe } from '../src/state/recipe.js';
import type { Track } from '../src/state/track.svelte.js';
import { MESSAGE, MODEL, PROMPT, type Proposal, played, Speaker, textOf } from './conversations.js';

// Tracks ask for a frame when they change, and there is no page here.
vi.stubGlobal('requestAnimationFrame', () => 0);
const { openRun } = await import('../src/state/opened.js');
const { run } = await import('../src/state/run.svelte.js');

const look = { mode: 'reads', step: null, cell: null } as const;

/** All that is shown of a track, in every step of the run. */
async function shown(track: Track, steps: number) {
  const each = [];
  for (let step = 0; step < steps; step++) {
    await track.show(step);
    const { view, hosts, summary, totals } = track;
    const sets = [view, ...hosts].map(({ stored, read, length }) => ({
      stored: stored.slice(),
      read: read.slice(),
      length,
    }));
    each.push({ sets, summary, totals, at: [track.indexAt(step), track.madeAt(step)] });
  }
  await track.show(null);
  const { said, turns, ids, kvBytes, readShare, agreement, kl, end, lanes, summary, totals } = track;
  return { each, said, turns, ids, kvBytes, readShare, agreement, kl, end, summary, totals, lanes: lanes.length };
}

/** Saves and opens a run; all of it must be as it was. */
async function reopened(speakers: readonly Speaker[], step: number, sameTokens: boolean) {
  const tracks = speakers.map(({ track }) => track);
  const recipe = readRecipe({ preset: 'own', text: 'abc', chat: true, sameTokens, maxTokens: 4 }).value;
  const span = Math.max(...tracks.map(({ ids }) => ids.length)) + 5;
  const run = { model: MODEL, recipe, prompt: Uint32Array.from(PROMPT), beginning: 0, span, tracks, textOf };
  const file = await traceFile(run, look);
  const again = await openRun(new Blob([file as BlobPart]));
  expect(again).toMatchObject({ model: MODEL, recipe, step, span });
  for (const [i, track] of tracks.entries()) {
    expect(await shown(again.tracks[i], step)).toEqual(await shown(track, step));
  }
  expect(stepsCsv(again.tracks)).toBe(stepsCsv(tracks));
  // What was opened can be saved again.
  const texts = new Map(again.tokens.map(({ id, text }) => [id, text]));
  const same = await traceFile({ ...run, tracks: again.tracks, textOf: async (id) => texts.get(id) ?? '?' }, look);
  expect(same).toEqual(file);
  return again;
}

const said = (...ids: number[]): Proposal[] => ids.map((id) => ({ id }));

describe('a run that is opened again', () => {
  it('is the conversation that it was, with the same tokens for all', async () => {
    const speakers = [new Speaker('one', 0), new Speaker('two', 1)];
    const answers = [
      [[...said(10, 11), { id: 12, end: 'eos' as const }], said(10, 21, 22)],
      [said(13, 14), said(13, 24)],
      [[...said(15), { id: 16, end: 'eos' as const }], said(25, 26)],
    ];
    const { tracks, tokens } = await reopened(speakers, played(speakers, answers, true), true);
    expect(tracks[1].turns.map(({ at, step, text }) => [at, step, text])).toEqual([
      [3, 3, 'message 1'],
      [5, 5, 'message 2'],
    ]);
    // Where the first one ended its answer, the other has its own token; all others are the first one's.
    expect(tracks[1].ids).toEqual([...PROMPT, 10, 11, 22, ...MESSAGE, 13, 14, ...MESSAGE, 15, 26]);
    expect(tracks[1].said.map(({ position }) => position)).toEqual([3, 4, 5, 10, 11, 16, 17]);
    expect(tokens).toContainEqual({ id: MESSAGE[0], text: `<${MESSAGE[0]}>` });
  });

  it('is the one that it was where each writes its own', async () => {
    const speakers = [new Speaker('one', 0), new Speaker('two', 1)];
    const answers = [
      [said(10), said(10, 21, 22)],
      [said(13, 14, 15), said(23)],
      [said(16), said(16, 27)],
    ];
    const { tracks } = await reopened(speakers, played(speakers, answers, false), false);
    expect(tracks[0].turns.map(({ at, step }) => [at, step])).toEqual([
      [1, 3],
      [4, 6],
    ]);
    expect(tracks[1].said.map(({ agrees }) => agrees)).toEqual([true, null, null, false, true, null]);
  });

  it('is spread over its hosts as it was, in a conversation too', async () => {
    const speakers = [new Speaker('one', 0), new Speaker('two', 1, 3)];
    const answers = [
      [said(10, 11), said(10)],
      [said(12), said(22, 23, 24)],
    ];
    const { tracks } = await reopened(speakers, played(speakers, answers, false), false);
    expect(tracks[1].hosts).toHaveLength(3);
    expect(tracks[1].summary?.facts).toMatchObject({ hosts: 3, sent: 10 * 3 * 4 });
    expect(tracks[1].history).toBe(tracks[1].lanes[2]);
  });

  it('shows its messages on the page, and does not go on', async () => {
    const speakers = [new Speaker('one', 0), new Speaker('two', 1)];
    const step = played(
      speakers,
      [
        [said(10), said(10)],
        [said(12, 13), said(12)],
      ],
      false,
    );
    await run.show(await reopened(speakers, step, false), 'mine.attn');
    expect(run).toMatchObject({ chat: true, turns: 1, step: 3, recorded: true, current: false, sameTokens: false });
    expect(run.span).toBe(PROMPT.length + 3 + MESSAGE.length + 5);
    expect(await run.textAt(run.tracks[1], PROMPT.length + 1)).toBe(`<${MESSAGE[0]}>`);
    await run.send('and then?');
    expect([run.turns, run.step]).toEqual([1, 3]);
  });

  it('has no message that was not answered', async () => {
    const speakers = [new Speaker('one', 0)];
    const step = played(speakers, [[said(10, 11)]], false);
    const { track } = speakers[0];
    track.turns.push({ at: 2, step, text: 'stopped' });
    const run = {
      model: MODEL,
      recipe: readRecipe({}).value,
      prompt: Uint32Array.from(PROMPT),
      tracks: [track],
      textOf,
    };
    const file = await traceFile({ ...run, beginning: 0, span: 99 }, look);
    const again = await openRun(new Blob([file as BlobPart]));
    expect(again.tracks[0].turns).toEqual([]);
    expect(again.step).toBe(2);
  });

  it('is as it was, whoever ended an answer first', async () => {
    const id = fc.integer({ min: 10, max: 13 }).map((id): Proposal => ({ id }));
    const runs = fc
      .tuple(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 4 }))
      .chain(([hosts, rounds]) => {
        const answer = fc.tuple(...hosts.map(() => fc.array(id, { minLength: 1, maxLength: 4 })));
        return fc.record({
          hosts: fc.constant(hosts),
          answers: fc.array(answer, { minLength: rounds, maxLength: rounds }),
        });
      });
    await fc.assert(
      fc.asyncProperty(runs, async ({ hosts, answers }) => {
        const speakers = hosts.map((count, i) => new Speaker(`m${i}`, i, count));
        await reopened(speakers, played(speakers, answers, false), false);
      }),
      { seed: 48213, numRuns: 30 },
    );
  });
});
