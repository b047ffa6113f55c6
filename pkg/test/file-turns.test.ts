import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALL_HEADS, History, Kind, readTraceFile, writeTraceFile } from '../src/trace.js';
import { concat, record } from './blocks.js';
import { file, header, historyOf, opens, u32 } from './files.js';

describe('trace files with further messages and several hosts', () => {
  const turn = (at: number, step = at, tokens = 2) => ({
    ...{ at, step, text: 'and then?', last: 9 },
    tokens: Array(tokens).fill({ id: 2, text: 'b' }),
  });
  /** A file of tracks with so many steps each, whose blocks are empty. */
  const made = (...tracks: { steps: number; turns?: unknown; hosts?: unknown; histories?: number }[]) => {
    const { tracks: some, ...run } = header(0);
    const token = { id: 1, text: 'a' };
    const named = tracks.map(({ steps, histories: _, ...more }) => ({
      ...some[0],
      ...more,
      steps: Array(steps).fill(token),
    }));
    const sections = (steps: number) =>
      Array.from({ length: Math.ceil(steps / 32) }, (_, i) => new Uint8Array(4 * Math.min(32, steps - 32 * i)));
    const all = tracks.flatMap(({ steps, histories = 1 }) => Array(histories).fill(sections(steps)).flat());
    return file({ ...run, tracks: named }, ...all);
  };

  it('are read as they say', async () => {
    const turns = [turn(2, 5), turn(3, 9)];
    const bytes = made({ steps: 4, turns }, { steps: 9 }, { steps: 3, hosts: 2, histories: 2 });
    const { tracks } = await readTraceFile(bytes);
    expect(tracks[0].turns).toEqual(turns);
    expect(tracks[1]).not.toHaveProperty('turns');
    expect(tracks[1]).not.toHaveProperty('hosts');
    expect(tracks[2].hosts).toEqual([expect.any(History), tracks[2].history]);
    expect(tracks[2].hosts?.map(({ steps }) => steps.length)).toEqual([3, 3]);
    const most = made({ steps: 4100, turns: Array.from({ length: 4096 }, (_, i) => turn(i + 1)) });
    expect((await readTraceFile(most)).tracks[0].turns).toHaveLength(4096);
  });

  it('are one history where one host is named', async () => {
    const history = historyOf([new Uint8Array()]);
    const { tracks, ...run } = header(1);
    for (const hosts of [[], [history]]) {
      const again = await readTraceFile(await writeTraceFile({ ...run, tracks: [{ ...tracks[0], history, hosts }] }));
      expect(again.tracks[0]).not.toHaveProperty('hosts');
    }
  });

  it('have room for the positions of the messages', async () => {
    const block = record(Kind.append, { head: ALL_HEADS, a: 1400, b: 10 });
    const [run, body] = [header(2), concat([u32(0), u32(block.length), block])];
    expect(await opens(file(run, body))).toBe('trace');
    Object.assign(run.tracks[0], { turns: [turn(1, 1, 800)] });
    expect(await opens(file(run, body))).toBe('read');
  });

  it.each([
    ['no list', { steps: 4, turns: {} }],
    ['a message that is none', { steps: 4, turns: [null] }],
    ['a message before the first answer', { steps: 4, turns: [turn(0)] }],
    ['one that nobody answers', { steps: 4, turns: [turn(4)] }],
    ['one where there are no steps', { steps: 0, turns: [turn(1)] }],
    ['a place that is no number', { steps: 4, turns: [{ ...turn(1), at: '1' }] }],
    ['a place in between', { steps: 4, turns: [turn(1.5)] }],
    ['two at one place', { steps: 4, turns: [turn(2), turn(2)] }],
    ['one before the other', { steps: 4, turns: [turn(3), turn(2)] }],
    ['a step of the run before it can be', { steps: 4, turns: [turn(2, 1)] }],
    ['answers that lie on each other', { steps: 4, turns: [turn(1, 3), turn(3, 4)] }],
    ['a step of the run that no track made', { steps: 4, turns: [turn(2, 6)] }],
    ['no step of the run', { steps: 4, turns: [{ ...turn(1), step: undefined }] }],
    ['a text that is none', { steps: 4, turns: [{ ...turn(1), text: 5 }] }],
    ['no last token', { steps: 4, turns: [{ ...turn(1), last: -1 }] }],
    ['tokens that are none', { steps: 4, turns: [{ ...turn(1), tokens: [{ id: 'b' }] }] }],
    ['more messages than fit a model', { steps: 4100, turns: Array.from({ length: 4097 }, (_, i) => turn(i + 1)) }],
    ['one host', { steps: 4, hosts: 1 }],
    ['half a host', { steps: 4, hosts: 2.5, histories: 2 }],
    ['a list of hosts', { steps: 4, hosts: [1, 2], histories: 2 }],
    ['more hosts than there may be', { steps: 4, hosts: 65, histories: 65 }],
    ['more hosts than it has histories', { steps: 4, hosts: 3, histories: 2 }],
    ['fewer hosts than it has histories', { steps: 4, hosts: 2, histories: 3 }],
  ])('are refused with %s', async (_, track) => {
    expect(await opens(made(track))).toBe('trace');
  });

  it('are refused with more histories in all than there may be', async () => {
    const half = { steps: 0, hosts: 32 };
    expect(await opens(made(half, half))).toBe('read');
    expect(await opens(made(half, half, { steps: 0 }))).toBe('trace');
  });

  it('are a run or a typed error whatever stands there', async () => {
    const near = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: -1, max: 9 }) }, fc.jsonValue());
    const some = fc.record({ at: near, step: near, text: fc.string(), last: near, tokens: fc.constant([]) });
    const turns = fc.oneof(fc.array(fc.oneof({ weight: 9, arbitrary: some }, fc.jsonValue())), fc.jsonValue());
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.option(turns, { nil: undefined }),
        fc.option(near, { nil: undefined }),
        async (turns, hosts) => {
          const histories = typeof hosts === 'number' && hosts > 0 && hosts < 10 ? Math.floor(hosts) : 1;
          const code = await opens(made({ steps: 8, turns, hosts, histories }));
          expect(['read', 'trace']).toContain(code);
          codes.add(`${code} ${turns !== undefined}`);
        },
      ),
      { seed: 48213, numRuns: 400 },
    );
    expect([...codes].sort()).toEqual(['read false', 'read true', 'trace false', 'trace true']);
  });
});
