import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { History, readTraceFile, type TraceRun, type TraceTurn, writeTraceFile } from '../src/trace.js';
import { act, encode, SHAPE } from './acts.js';
import { concat } from './blocks.js';
import { file, header, historyOf, opens, u32 } from './files.js';

const token = fc.record({ id: fc.nat(), text: fc.string({ unit: 'binary' }) });
const value = fc.oneof(
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.string(),
  fc.boolean(),
  fc.array(fc.nat()),
);

/** A run whose histories have the blocks that `blocks` makes: one after the other or with messages in between, of one host or more. */
function runs(blocks: fc.Arbitrary<Uint8Array>, most = 40): fc.Arbitrary<TraceRun> {
  const message = fc.record({ text: fc.string({ unit: 'binary' }), last: fc.nat(), tokens: fc.array(token) });
  const step = fc.record({
    token,
    message: fc.option(message, { freq: 4 }),
    blocks: fc.array(blocks, { minLength: 3, maxLength: 3 }),
  });
  const track = fc.record({
    method: fc.string(),
    title: fc.string(),
    params: fc.dictionary(fc.string(), value),
    tokensPerSecond: fc.oneof(fc.constant(null), fc.nat(100)),
    steps: fc.array(step, { maxLength: most }),
    count: fc.integer({ min: 1, max: 3 }),
    // Steps that others made meanwhile.
    late: fc.nat(1),
  });
  return fc
    .record({
      // As many tokens as the blocks name positions.
      prompt: fc.array(token, { maxLength: 5 }).map((some) => [...some, ...Array(900).fill({ id: 1, text: 'a' })]),
      settings: fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>,
      tracks: fc.array(track, { minLength: 1, maxLength: 3 }),
    })
    .map(({ prompt, settings, tracks }) => ({
      model: { name: 'tiny', ...SHAPE, headDim: 64 },
      prompt,
      settings,
      tracks: tracks.map(({ steps, count, late, ...rest }) => {
        const turns = steps.flatMap(({ message }, at): TraceTurn[] =>
          message && at > 0 ? [{ at, step: at + late, ...message }] : [],
        );
        const hosts = Array.from({ length: count }, (_, host) => historyOf(steps.map(({ blocks }) => blocks[host])));
        return {
          ...rest,
          steps: steps.map((s) => s.token),
          ...(turns.length > 0 && { turns }),
          history: hosts[count - 1],
          ...(count > 1 && { hosts }),
        };
      }),
    }));
}

const acts = fc.array(act, { maxLength: 6 }).map((list) => concat(list.map(encode)));

async function plain({ tracks, ...run }: TraceRun) {
  const all = tracks.map(async ({ history, hosts = [history], ...track }) => {
    expect(history).toBe(hosts[hosts.length - 1]);
    const blocks = await Promise.all(hosts.map((host) => Promise.all(track.steps.map((_, i) => host.block(i)))));
    return { ...track, blocks, events: hosts.map((host) => host.steps) };
  });
  return { ...run, tracks: await Promise.all(all) };
}

afterEach(() => vi.unstubAllGlobals());

describe('trace files', () => {
  it.each([true, false])('bring a run back (compressed: %s)', async (compressed) => {
    if (!compressed) vi.stubGlobal('CompressionStream', undefined);
    await fc.assert(
      fc.asyncProperty(runs(acts), async (run) => {
        const want = JSON.parse(JSON.stringify(await plain(run)));
        const bytes = await writeTraceFile(run);
        const got = await readTraceFile(new Blob([bytes as BlobPart]));
        expect(JSON.parse(JSON.stringify(await plain(got)))).toEqual(want);
      }),
      { seed: 48213, numRuns: 20 },
    );
  });

  it('are a run or a typed error after any damage', async () => {
    const damage = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) }), {
      // None: so that some are read.
      minLength: 0,
      maxLength: 3,
    });
    const cut = fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true }));
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(runs(acts, 12), damage, cut, fc.boolean(), async (run, changes, keep, packed) => {
        // Without a checksum in the way, damage reaches the header and the blocks.
        if (!packed) vi.stubGlobal('CompressionStream', undefined);
        const whole = await writeTraceFile(run);
        vi.unstubAllGlobals();
        const bytes = whole.slice(0, Math.round(whole.length * keep));
        for (const { at, byte } of changes) if (bytes.length > 0) bytes[Math.floor(at * (bytes.length - 1))] = byte;
        const code = await opens(bytes);
        expect(['read', 'trace']).toContain(code);
        codes.add(code);
      }),
      { seed: 48213, numRuns: 150 },
    );
    expect([...codes].sort()).toEqual(['read', 'trace']);
  });

  it('are a run or a typed error whatever the blocks are', async () => {
    const record = fc.tuple(
      fc.nat(25),
      fc.nat(3),
      fc.constantFrom(0, 1, 2, 255),
      fc.uint8Array({ minLength: 13, maxLength: 13 }),
    );
    const wild = fc
      .array(record, { maxLength: 8 })
      .map((list) => concat(list.map(([kind, layer, head, rest]) => Uint8Array.of(kind, layer, head, ...rest))));
    await fc.assert(
      fc.asyncProperty(fc.array(wild, { minLength: 1, maxLength: 4 }), async (blocks) => {
        const [sizes, bytes] = [blocks.map((b) => u32(b.length)), blocks];
        const body = concat(blocks.flatMap((_, i) => [sizes[i], bytes[i]]));
        expect(['read', 'trace']).toContain(await opens(file(header(blocks.length), body)));
      }),
      { seed: 48213, numRuns: 300 },
    );
  });

  it('are refused when a header says what cannot be', async () => {
    const changed = (change: (json: ReturnType<typeof header>) => void) => {
      const json = header(0);
      change(json);
      return file(json);
    };
    expect(await opens(changed(() => undefined))).toBe('read');
    for (const bytes of [
      changed((h) => Object.assign(h.model, { layers: 1e9 })),
      changed((h) => Object.assign(h.model, { kvHeads: 5 })),
      changed((h) => Object.assign(h.model, { queryHeads: 2.5 })),
      changed((h) => Object.assign(h, { prompt: 'text' })),
      changed((h) => Object.assign(h, { settings: null })),
      changed((h) => Object.assign(h.tracks[0], { params: { budget: { valueOf: 1 } } })),
      changed((h) => Object.assign(h.tracks[0], { tokensPerSecond: 'fast' })),
      changed((h) => Object.assign(h, { tracks: Array(99).fill(h.tracks[0]) })),
      concat([file(header(0)), new Uint8Array(1)]),
      new Uint8Array(),
      new TextEncoder().encode('<!doctype html><title>not found</title>'),
    ]) {
      expect(await opens(bytes)).toBe('trace');
    }
  });

  it('are not inflated beyond what they announce, nor beyond the limits', async () => {
    let inflated = 0;
    const Real = DecompressionStream;
    class Counting {
      readonly writable: WritableStream;
      readonly readable: ReadableStream<Uint8Array>;
      constructor(format: CompressionFormat) {
        const real = new Real(format);
        const count = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, out) {
            inflated += chunk.length;
            out.enqueue(chunk);
          },
        });
        this.writable = real.writable;
        this.readable = real.readable.pipeThrough(count);
      }
    }
    vi.stubGlobal('DecompressionStream', Counting);
    const bomb = deflateSync(new Uint8Array(32 * 2 ** 20));
    const claim = (size: number) => concat([file(header(1)), u32(bomb.length), u32(size), bomb]);
    expect(await opens(claim(1000))).toBe('trace');
    // It was begun, for only then does it show what it is, and left long before its end.
    expect(inflated).toBeGreaterThan(1000);
    expect(inflated).toBeLessThan(2 ** 22);
    inflated = 0;
    expect(await opens(claim(0xffff_ffff))).toBe('trace');
    expect(inflated).toBe(0);
    const lie = concat([file(header(1)), u32(4), u32(2 ** 20), new Uint8Array(4)]);
    expect(await opens(lie)).toBe('trace');
  });

  it('need all steps of a history', async () => {
    const history = new History(SHAPE, { every: 1, limit: 0 });
    for (let i = 0; i < 3; i++) history.close();
    const steps = [1, 2, 3].map((id) => ({ id, text: '' }));
    const { model, prompt, settings, tracks } = header(0);
    const run: TraceRun = { model, prompt, settings, tracks: [{ ...tracks[0], steps, history }] };
    await expect(writeTraceFile(run)).rejects.toThrow(expect.objectContaining({ code: 'trace' }));
  });
});
