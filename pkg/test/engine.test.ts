import { MessageChannel } from 'node:worker_threads';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { loadWith } from '../src/index.js';
import { openLocal } from '../src/local.js';
import type { Port } from '../src/protocol.js';
import { openRemote } from '../src/remote.js';
import { serve } from '../src/serve.js';
import { CacheView } from '../src/trace.js';
import type { Engine, GenerateProgress, LoadProgress, Model, Step } from '../src/types.js';
import { EOS, gpu, PREFILL_SLICES, seen } from './stub-engine.js';

const FILE = new Uint8Array(100);
FILE.set(new TextEncoder().encode('GGUF'));
const code = (value: string) => expect.objectContaining({ name: 'AttnscopeError', code: value });

/** A worker's border without a worker: the two ends of a channel. */
async function openOverPort(): Promise<Engine> {
  const { port1, port2 } = new MessageChannel();
  serve(port2 as unknown as Port);
  port1.ref();
  port2.start();
  port1.start();
  return openRemote(port1 as unknown as Port, {}, () => port1.close());
}

describe.each([
  ['in this thread', () => openLocal()],
  ['over a port', openOverPort],
])('the engine %s', (_, open) => {
  let engine: Engine;
  let model: Model;
  beforeEach(async () => {
    engine = await open();
    model = await engine.load(FILE);
    return () => engine.close();
  });

  it('loads bytes, blobs, streams and responses, and says how far it is', async () => {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(FILE.slice(0, 60));
        controller.enqueue(FILE.slice(60));
        controller.close();
      },
    });
    for (const source of [FILE, FILE.buffer, new Blob([FILE]), stream, new Response(FILE)]) {
      const stages: LoadProgress[] = [];
      seen.pushed = 0;
      const loaded = await engine.load(source, { onProgress: (p) => stages.push(p) });
      expect(seen.pushed).toBe(FILE.length);
      expect(stages.at(-1)).toMatchObject({ stage: 'ready', loaded: 100 });
      expect(loaded.info.name).toBe('stub');
    }
    expect(FILE.length).toBe(100);
  });

  it('says how a session runs, with the values of the model and what was asked of the back end', async () => {
    const given = { method: 'full', params: { top_k: 4 }, temperature: 0.5, backend: 'auto' as const };
    const method = { name: 'full', params: { layer: 17, top_k: 4 } };
    const session = await model.session(given);
    expect(session.options).toEqual({ method, temperature: 0.5, backend: 'auto' });
    // What nobody gives is the model's, and not named twice.
    const { options } = await model.session({ method: 'full' });
    expect(options).toEqual({ method: { name: 'full', params: { layer: 17 } } });
  });

  it('refuses what is not a model', async () => {
    await expect(engine.load(new TextEncoder().encode('<!doctype html>'))).rejects.toThrow(code('not_gguf'));
    await expect(engine.load(FILE.slice(0, 6))).rejects.toThrow(code('truncated'));
    await expect(engine.load(new Response('no', { status: 404 }))).rejects.toThrow(code('http'));
    await expect(engine.load(42 as unknown as string)).rejects.toThrow(code('source'));
    const broken = new ReadableStream<Uint8Array>({ pull: (c) => c.error(new TypeError('reset')) });
    await expect(engine.load(broken)).rejects.toThrow(code('network'));
  });

  it('stops a load on request', async () => {
    const stop = new AbortController();
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(FILE.slice());
        if (seen.pushed > 1000) stop.abort();
      },
    });
    await expect(engine.load(endless, { signal: stop.signal })).rejects.toThrow(code('aborted'));
    await expect(engine.load(FILE, { signal: AbortSignal.abort() })).rejects.toThrow(code('aborted'));
  });

  it('takes text, ids and messages as a prompt', async () => {
    const session = await model.session({ method: 'full' });
    seen.started = [];
    seen.rounds = [];
    for (const prompt of ['ab', [5, 6], Uint32Array.of(8), [{ role: 'user', content: 'x' }]]) {
      for await (const _ of session.generate(prompt, { maxTokens: 1 }));
    }
    const chat = [...new TextEncoder().encode('<user>x')];
    expect(seen.started).toEqual([[2, 97, 98], [5, 6], [8], [2, 1, ...chat]]);
    expect(seen.rounds).toEqual([[0], [], [], [0]]);
  });

  it('tells the engine where the rounds of messages begin', async () => {
    const session = await model.session({ method: 'full' });
    const said = ['user', 'assistant', 'user'].map((role) => ({ role, content: 'x' }));
    seen.rounds = [];
    await session.generate(said, { maxTokens: 1 }).next();
    expect(seen.rounds).toEqual([[0, 2 + '<user>x<assistant>x'.length]]);
  });

  it('goes on with the text of a session', async () => {
    const session = await model.session({ method: 'full' });
    await expect(session.generate([5], { continue: true }).next()).rejects.toThrow(code('state'));
    for await (const _ of session.generate([50, 51], { maxTokens: 1 }));
    seen.started = [];
    for (const prompt of ['a', [5, 6], [{ role: 'user', content: 'word' }]]) {
      for await (const _ of session.generate(prompt, { maxTokens: 1, continue: true }));
    }
    const begun = [50, 51, 52];
    // Text has no beginning of its own, and messages follow the answer.
    expect(seen.started).toEqual([
      [...begun, 97],
      [...begun, 97, 98, 5, 6],
      [...begun, 97, 98, 5, 6, 7, 3, 4],
    ]);
  });

  it('saves a session and goes on with it', async () => {
    const session = await model.session({ method: 'full' });
    await expect(session.save()).rejects.toThrow(code('state'));
    const steps = session.generate([50, 51], { maxTokens: 3 });
    await steps.next();
    // Between two steps of a run that is still open.
    const bytes = await session.save();
    expect([...new Uint8Array(bytes)]).toEqual([1, 50, 51, 52]);
    for (const given of [bytes, new Uint8Array(bytes)]) {
      const again = await model.restore(given);
      expect(again.options).toEqual({ method: 'full', context: 9 });
      seen.started = [];
      const { value } = await again.generate([], { maxTokens: 1, continue: true }).next();
      expect(seen.started[0].slice(0, 3)).toEqual([50, 51, 52]);
      expect(value).toMatchObject({ backend: 'cpu' });
      await again.close();
    }
    expect(bytes.byteLength).toBe(4);
    await expect(model.restore(Uint8Array.of(7))).rejects.toThrow(code('saved'));
    await expect(model.restore('x' as unknown as Uint8Array)).rejects.toThrow(code('param'));
  });

  it('encodes a text as it stands, or as a prompt begins', async () => {
    expect([...(await model.encode('a'))]).toEqual([97]);
    expect([...(await model.encode('a', { parseSpecial: true }))]).toEqual([1, 97]);
    expect([...(await model.encode('a', { begin: true }))]).toEqual([2, 97]);
  });

  it('encodes a further message by the newest token', async () => {
    const said = [{ role: 'user', content: 'abc' }];
    const { eos } = model.info;
    expect([...(await model.encodeTurn(said, 97))]).toEqual([...eos, 3]);
    expect([...(await model.encodeTurn(said, eos[0]))]).toEqual([3]);
    await expect(model.encodeTurn(said, -1)).rejects.toThrow(code('token_id'));
  });

  it('yields steps with trace blocks of their own, and progress before them', async () => {
    const session = await model.session({ method: 'full' });
    const view = new CacheView(model.info);
    const progress: GenerateProgress[] = [];
    const steps: Step[] = [];
    const onProgress = (p: GenerateProgress) => {
      progress.push(p);
      if (p.trace) view.apply(p.trace);
    };
    for await (const step of session.generate([50, 51], { maxTokens: 3, trace: 'sets', onProgress })) {
      expect(step.trace?.buffer.byteLength).toBe(step.trace?.byteLength);
      view.apply(step.trace!);
      steps.push(step);
    }
    expect(steps.map((s) => s.id)).toEqual([52, 53, 54]);
    expect(steps.at(-1)?.end).toBe('length');
    expect(progress[0]).toMatchObject({ done: 0, total: PREFILL_SLICES });
    expect(view.storedRows[0]).toBe(4);
  });

  it('keeps the records of prefill for the first step when nobody hears of progress', async () => {
    const session = await model.session({ method: 'full' });
    const view = new CacheView(model.info);
    for await (const { trace } of session.generate([50, 51], { maxTokens: 1, trace: 'sets' })) view.apply(trace!);
    expect(view.pass).toMatchObject({ kind: 'prefill', rows: 2 });
  });

  it('takes another token than the proposed one', async () => {
    const session = await model.session({ method: 'full' });
    const steps = session.generate([3], { maxTokens: 9 });
    expect((await steps.next()).value).toMatchObject({ id: 4 });
    expect((await steps.next(EOS - 1)).value).toMatchObject({ id: EOS, end: 'eos' });
    // Past the end of its own text, because the caller says so.
    expect((await steps.next(100)).value).toMatchObject({ id: 101, end: null });
    expect(await steps.return()).toMatchObject({ done: true });
  });

  it('ends at the end of the text', async () => {
    const session = await model.session({ method: 'full' });
    const ids: number[] = [];
    for await (const step of session.generate([EOS - 2], { maxTokens: 9 })) ids.push(step.id);
    expect(ids).toEqual([EOS - 1, EOS]);
  });

  it('stops in prefill and stays usable', async () => {
    const session = await model.session({ method: 'full' });
    const stop = new AbortController();
    seen.advances = 0;
    const steps = session.generate([1], { signal: stop.signal });
    const first = steps.next();
    setTimeout(() => stop.abort(), 5);
    await expect(first).rejects.toThrow(code('aborted'));
    expect(seen.advances).toBeLessThan(PREFILL_SLICES);
    const { value } = await session.generate([1]).next();
    expect(value).toMatchObject({ id: 2 });
  });

  it('runs sessions side by side, and each session once at a time', async () => {
    const sessions = await Promise.all([1, 2].map(() => model.session({ method: 'full' })));
    const firsts = await Promise.all(sessions.map((s, i) => s.generate([i + 20]).next()));
    expect(firsts.map((f) => (f.value as Step).id)).toEqual([21, 22]);
    await expect(sessions[0].generate([1]).next()).rejects.toThrow(code('state'));
  });

  it('compares two sessions of its own', async () => {
    const sessions = await Promise.all([1, 2].map(() => model.session({ method: 'full' })));
    await Promise.all(sessions.map((s, i) => s.generate([i + 20, 3].slice(i)).next()));
    expect(await sessions[1].divergence(sessions[0])).toBe(1);
    const none = { ...sessions[0] } as never;
    await expect(sessions[0].divergence(none)).rejects.toThrow(code('unsupported'));
  });

  it('refuses numbers that are none, and names that nobody reads', async () => {
    const session = await model.session({ method: 'full' });
    const run = (prompt: unknown, options?: unknown) =>
      session.generate(prompt as Uint32Array, options as { maxTokens: number }).next();
    for (const maxTokens of [-1, 0, 1.5, 2 ** 32 + 1, Number.POSITIVE_INFINITY, Number.NaN, 'abc', null]) {
      await expect(run([1], { maxTokens })).rejects.toThrow(code('param'));
    }
    await expect(run([1], { maxToken: 3 })).rejects.toThrow(/"maxToken".*maxTokens, signal, trace, onProgress/);
    await expect(run([1], null)).rejects.toThrow(code('param'));
    await expect(engine.load(FILE, { onprogress: () => 0 } as object)).rejects.toThrow(/"onprogress".*onProgress/);
    for (const id of [1.5, Number.NaN, -1, 2 ** 32]) {
      await expect(run([1, id])).rejects.toThrow(code('token_id'));
      await expect(model.decode([id])).rejects.toThrow(code('token_id'));
    }
    for (const prompt of [undefined, null, 5, {}, [1, 'a'], [{ role: 'user' }], new Float32Array(2)]) {
      await expect(run(prompt)).rejects.toThrow(code('param'));
    }
    await expect(model.encode(undefined as unknown as string)).rejects.toThrow(code('param'));
    const steps = session.generate([3], { maxTokens: 9 });
    await steps.next();
    await expect(steps.next(4.5)).rejects.toThrow(code('token_id'));
    // None of it left the session busy.
    expect((await session.generate([1]).next()).value).toMatchObject({ id: 2 });
  });

  it('closes what hangs on what is closed, each once', async () => {
    const [kept, closed] = await Promise.all([1, 2].map(() => model.session({ method: 'full' })));
    const before = seen.freed;
    await closed.close();
    expect(seen.freed).toBe(before + 1);
    await model.close();
    expect(seen.freed).toBe(before + 3);
    await expect(kept.stats()).rejects.toThrow(code('closed'));
    await expect(model.encode('a')).rejects.toThrow(code('closed'));
  });

  it('lets what a callback throws out unchanged, and goes on', async () => {
    const mine = Object.assign(new Error('mine'), { code: 'EISDIR' });
    const onProgress = () => {
      throw mine;
    };
    await expect(engine.load(FILE, { onProgress })).rejects.toBe(mine);
    const session = await model.session({ method: 'full' });
    await expect(session.generate([1], { onProgress }).next()).rejects.toBe(mine);
    expect((await session.generate([1]).next()).value).toMatchObject({ id: 2 });
  });

  describe('with a GPU', () => {
    const info = { name: 'an adapter', api: 'webgpu', software: false } as Awaited<ReturnType<Engine['gpu']>>;
    beforeEach(() => {
      Object.assign(gpu, { info, lost: false });
      return () => Object.assign(gpu, { info: null, lost: false });
    });

    it('says what it is, waits for it, and says what computed', async () => {
      expect(await engine.gpu()).toMatchObject(info);
      const session = await model.session({ method: 'full', backend: 'gpu' });
      const { value } = await session.generate([1]).next();
      expect(value).toMatchObject({ id: 2, backend: 'gpu' });
      expect(await session.stats()).toMatchObject({ backend: 'gpu', fallback: null });
    });

    it('leaves one that is lost for the CPU, and loses no token', async () => {
      const session = await model.session({ method: 'full', backend: 'gpu' });
      const steps = session.generate([10], { maxTokens: 4 });
      expect((await steps.next()).value).toMatchObject({ id: 11, backend: 'gpu' });
      gpu.lost = true;
      expect((await steps.next()).value).toMatchObject({ id: 12, backend: 'cpu' });
      expect((await steps.next()).value).toMatchObject({ id: 13, backend: 'cpu' });
      const stats = await session.stats();
      expect(stats).toMatchObject({ backend: 'cpu', fallback: expect.stringContaining('lost') });
    });

    it('leaves one that was lost between two runs', async () => {
      const session = await model.session({ method: 'full', backend: 'gpu' });
      for await (const step of session.generate([10], { maxTokens: 1 })) expect(step.backend).toBe('gpu');
      gpu.lost = true;
      const { value } = await session.generate([20], { maxTokens: 1 }).next();
      expect(value).toMatchObject({ id: 21, backend: 'cpu' });
    });

    it('takes the CPU by itself where the GPU cannot be used, and only then where it was asked to choose', async () => {
      const backend = async (wanted: 'auto' | 'gpu') => {
        const session = await model.session({ method: 'full', backend: wanted });
        return (await session.stats()).backend;
      };
      gpu.lost = true;
      expect(await backend('auto')).toBe('cpu');
      gpu.info = { ...info, software: true };
      const soft = await open();
      await (await soft.load(FILE)).session({ method: 'full', backend: 'auto' });
      await soft.close();
      gpu.info = null;
      const none = await open();
      const other = await none.load(FILE);
      await expect(other.session({ method: 'full', backend: 'gpu' })).rejects.toThrow(code('gpu'));
      const stats = await (await other.session({ method: 'full', backend: 'auto' })).stats();
      expect(stats.backend).toBe('cpu');
      await none.close();
      const wrong = { method: 'full', backend: 'tpu' } as unknown as Parameters<Model['session']>[0];
      await expect(model.session(wrong)).rejects.toThrow(code('param'));
    });
  });

  it('passes on the errors of the engine', async () => {
    const session = await model.session({ method: 'full' });
    await expect(model.session({ method: 'none' })).rejects.toThrow(code('unknown_method'));
    await expect(session.generate('').next()).rejects.toThrow(code('empty_prompt'));
    await expect(session.generate([]).next()).rejects.toThrow(code('empty_prompt'));
    await session.close();
    await expect(session.generate('x').next()).rejects.toThrow(code('closed'));
  });
});

describe('a port', () => {
  it('may carry messages of others', async () => {
    const { port1, port2 } = new MessageChannel();
    serve(port2 as unknown as Port);
    port2.start();
    for (const other of ['call', null, 7, {}, { id: 'x' }, { id: 9, other: 1 }]) port1.postMessage(other);
    const engine = await openRemote(port1 as unknown as Port, {}, () => port1.close());
    expect(engine.methods).toHaveLength(1);
    await engine.close();
  });
});

describe('a load that is stopped while the engine starts', () => {
  it('rejects at once, and closes the engine when it is there', async () => {
    let start: (engine: Engine) => void = () => undefined;
    const starting = new Promise<Engine>((resolve) => {
      start = resolve;
    });
    const stop = new AbortController();
    const loading = loadWith(() => starting, FILE, { signal: stop.signal });
    stop.abort();
    await expect(loading).rejects.toThrow(code('aborted'));
    const close = vi.fn(async () => undefined);
    start({ close } as unknown as Engine);
    await vi.waitFor(() => expect(close).toHaveBeenCalledOnce());
    await expect(loadWith(() => starting, FILE, { signal: AbortSignal.abort() })).rejects.toThrow(code('aborted'));
  });
});
