import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { beforeEach, describe, expect, it } from 'vitest';
import { load, open } from '../src/index.js';
import type { FromWorker, Port, ToWorker } from '../src/protocol.js';
import { serve } from '../src/serve.js';
import { Kind, records } from '../src/trace.js';
import type { GenerateProgress, Model, Step } from '../src/types.js';
import { Watch } from '../src/watch.js';
import { LAYERS, seen } from './stub-engine.js';

const FILE = new Uint8Array(100);
FILE.set(new TextEncoder().encode('GGUF'));
const LIMIT = 400;
const STAR = { method: 'star_attention' };
const code = (value: string) => expect.objectContaining({ name: 'AttnscopeError', code: value });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Watcher = (message: FromWorker, worker: FakeWorker) => void;

/** A worker without a thread, which can stop in the ways that workers do. */
class FakeWorker extends EventTarget {
  ended = false;
  silent = false;
  watcher: Watcher = () => undefined;
  /** Buffers that went either way, to see that they were transferred. */
  readonly sent: ArrayBufferLike[] = [];
  readonly #port: MessagePort;

  constructor() {
    super();
    const { port1, port2 } = new MessageChannel();
    serve(port2 as unknown as Port);
    port2.start();
    this.#port = port1;
    port1.on('message', (data: FromWorker) => {
      this.watcher(data, this);
      if (!this.silent && !this.ended) this.dispatchEvent(new MessageEvent('message', { data }));
    });
  }

  postMessage(message: ToWorker, transfer: Transferable[]): void {
    if (this.silent || this.ended) return;
    if ('partials' in message) this.sent.push(...message.partials.map(({ buffer }) => buffer));
    this.#port.postMessage(message, transfer as MessagePort[]);
  }

  terminate(): void {
    this.ended = true;
    this.#port.close();
  }

  /** As when its script throws. */
  die(): void {
    this.dispatchEvent(Object.assign(new Event('error'), { message: 'boom' }));
  }
}

describe('three hosts', () => {
  let workers: FakeWorker[];
  let model: Model;
  const options = () => ({
    hosts: 3,
    hostTimeout: LIMIT,
    worker: () => {
      const worker = new FakeWorker();
      workers.push(worker);
      return worker as unknown as Worker;
    },
  });
  const all = async (steps: AsyncIterable<Step>) => {
    const got: Step[] = [];
    for await (const step of steps) got.push(step);
    return got;
  };
  beforeEach(async () => {
    workers = [];
    model = await load(FILE, options());
    return () => model.close();
  });

  it('load the model each, and say how far they are together', async () => {
    const stream = () => new Blob([FILE]).stream();
    for (const source of [FILE, new Blob([FILE]), stream(), new Response(stream())]) {
      seen.pushed = 0;
      const stages: unknown[] = [];
      const again = await load(source, { ...options(), onProgress: (p) => stages.push(p) });
      expect(seen.pushed).toBe(3 * FILE.length);
      expect(stages.at(-1)).toEqual({ stage: 'ready', loaded: 300, total: 300 });
      await again.close();
    }
    expect(workers.slice(3).every(({ ended }) => ended)).toBe(true);
    await expect(load(FILE.slice(0, 6), options())).rejects.toThrow(code('truncated'));
  });

  it('keep the records of prefill for the first step when nobody hears of progress', async () => {
    const session = await model.session(STAR);
    const [first] = await all(session.generate([50, 51, 52], { maxTokens: 1, trace: 'sets' }));
    expect(first.hosts?.map(({ trace }) => [...records(trace!)][0].kind)).toEqual([Kind.pass, Kind.pass, Kind.pass]);
  });

  it('exchange a partial a layer and token, in the order of the hosts, and add up what they did', async () => {
    const session = await model.session(STAR);
    seen.merged = [];
    const progress: GenerateProgress[] = [];
    const steps = await all(
      session.generate([50, 51, 52], { maxTokens: 2, trace: 'sets', onProgress: (p) => progress.push(p) }),
    );
    expect(steps.map(({ id }) => id)).toEqual([53, 54]);
    const layers = [1, 2, 1, 2];
    for (const host of [0, 1, 2]) {
      const own = seen.merged.filter(([number]) => number === host);
      expect(own).toEqual(layers.map((layer) => [host, 0, layer, 1, layer, 2, layer]));
    }
    expect(steps[1]).toMatchObject({ kvBytes: 3 * 64, readBytes: 3 * 64, read: 3, kept: 3, trace: null });
    expect(steps[1].exchangedBytes).toBe(LAYERS * 3 * 8);
    expect(steps[1].hosts?.map(({ trace }) => (trace?.length ?? 0) > 0)).toEqual([true, true, true]);
    expect(new Set(progress.map(({ host }) => host))).toEqual(new Set([0, 1, 2]));
    for (const { sent } of workers) {
      expect(sent).toHaveLength(3 * layers.length);
      expect(sent.every(({ byteLength }) => byteLength === 0)).toBe(true);
    }
    expect(await session.stats()).toMatchObject({ allocatedBytes: 3 * 4096 });
  });

  it('begin with the same prompt and rounds, take another token, and go on', async () => {
    const session = await model.session(STAR);
    [seen.started, seen.rounds] = [[], []];
    const steps = session.generate([{ role: 'user', content: 'x' }], { maxTokens: 9 });
    await steps.next();
    expect(seen.started).toEqual(Array(3).fill(seen.started[0]));
    expect(seen.rounds).toEqual([[0], [0], [0]]);
    expect((await steps.next(100)).value).toMatchObject({ id: 101 });
    await steps.return();
    seen.started = [];
    expect(await all(session.generate([9], { maxTokens: 1, continue: true }))).toMatchObject([{ id: 10 }]);
    expect(seen.started.map((ids) => ids.slice(-3))).toEqual(Array(3).fill([100, 101, 9]));
  });

  it('refuse what they cannot do, and go on', async () => {
    await expect(model.session({ method: 'full' })).rejects.toThrow(code('unsupported'));
    const session = await model.session(STAR);
    await expect(session.generate([1, 2]).next()).rejects.toThrow(code('param'));
    await expect(session.generate('').next()).rejects.toThrow(code('empty_prompt'));
    await expect(session.generate([1, 2, 3], { maxTokens: 0 }).next()).rejects.toThrow(code('param'));
    expect((await session.generate([1, 2, 3]).next()).value).toMatchObject({ id: 4 });
    for (const hosts of [0, 1.5, 65]) await expect(open({ hosts })).rejects.toThrow(code('param'));
    await expect(open({ hosts: 2, hostTimeout: -1 })).rejects.toThrow(code('param'));
    await expect(open({ hosts: 2, worker: false })).rejects.toThrow(code('unsupported'));
    await expect(open({ hosts: 2, worker: true })).rejects.toThrow(code('unsupported'));
  });

  it.each(['progress', 'partial'] as const)('stop on request at a %s, and stay usable', async (message) => {
    const session = await model.session(STAR);
    const stop = new AbortController();
    workers[2].watcher = (data) => message in data && stop.abort();
    await expect(session.generate([1, 2, 3], { signal: stop.signal }).next()).rejects.toThrow(code('aborted'));
    workers[2].watcher = () => undefined;
    expect((await session.generate([1, 2, 3]).next()).value).toMatchObject({ id: 4 });
  });

  // In phase 1 a host tells its progress, in phase 2 it exchanges partials.
  describe.each(['progress', 'partial'] as const)('that lose one at a %s', (message) => {
    it.each(['dies', 'hangs'] as const)('which %s, end in time, all of them', async (what) => {
      const session = await model.session(STAR);
      workers[1].watcher = (data, worker) => {
        if (!(message in data)) return;
        if (what === 'hangs') worker.silent = true;
        else worker.die();
      };
      const begun = performance.now();
      const run = session.generate([1, 2, 3]).next();
      await expect(run).rejects.toThrow(code('host'));
      await expect(run).rejects.toThrow(what === 'hangs' ? 'Host 1 is lost: no answer for 0.4 s' : /Host 1.*boom/);
      expect(performance.now() - begun).toBeLessThan(2.5 * LIMIT);
      expect(workers.every(({ ended }) => ended)).toBe(true);
      await expect(session.generate([1, 2, 3]).next()).rejects.toThrow(code('host'));
      await expect(model.session(STAR)).rejects.toThrow(code('host'));
      await model.close();
    });
  });

  it('end when one was terminated between two runs, or while a stop was asked for', async () => {
    const session = await model.session(STAR);
    await all(session.generate([1, 2, 3], { maxTokens: 1 }));
    const stop = new AbortController();
    workers[0].watcher = (data, worker) => {
      if (!('partial' in data)) return;
      worker.dispatchEvent(new MessageEvent('message', { data }));
      worker.terminate();
      stop.abort();
    };
    // It had given its partial and waited for the others when it went.
    await expect(session.generate([1, 2, 3], { signal: stop.signal }).next()).rejects.toThrow();
    expect(workers.every(({ ended }) => ended)).toBe(true);
    await expect(model.encode('a')).rejects.toThrow(code('host'));

    workers = [];
    const other = await load(FILE, options());
    const idle = await other.session(STAR);
    workers[2].terminate();
    await expect(idle.generate([1, 2, 3]).next()).rejects.toThrow(code('host'));
  });
});

describe('the watch', () => {
  it('bears with a host that gives signs of life or waits for others', async () => {
    const lost: number[] = [];
    const watch = new Watch(80, (host) => lost.push(host));
    await watch.during(0, async () => {
      for (let i = 0; i < 8; i++) {
        await pause(30);
        watch.heard(0);
      }
    });
    await watch.during(1, (order) => watch.aside(order, pause(250)));
    expect(lost).toEqual([]);
    await watch.during(2, () => pause(250));
    expect(lost).toEqual([2]);
  });
});
