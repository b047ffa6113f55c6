import { MessageChannel } from 'node:worker_threads';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openLocal } from '../src/local.js';
import type { Port } from '../src/protocol.js';
import { openRemote } from '../src/remote.js';
import { serve } from '../src/serve.js';
import type { Model, Part, Prompt } from '../src/types.js';
import { ROW, seen } from './stub-engine.js';

const FILE = new Uint8Array(100);
FILE.set(new TextEncoder().encode('GGUF'));
const projector = Uint8Array.of(1, 2, 3);
const code = (value: string) => expect.objectContaining({ name: 'AttnscopeError', code: value });

/** A picture whose row is 2 + 1 + the sum of its shades. */
const picture = (...shades: [number, number]) => ({ data: Uint8Array.from(shades), width: 2, height: 1 });

function overPort() {
  const { port1, port2 } = new MessageChannel();
  serve(port2 as unknown as Port);
  port2.start();
  port1.start();
  return openRemote(port1 as unknown as Port, { projector }, () => port1.close());
}

describe.each([
  ['in this thread', () => openLocal({ projector })],
  ['over a port', overPort],
])('a prompt, %s', (_, open) => {
  let model: Model;
  beforeEach(async () => {
    const engine = await open();
    model = await engine.load(FILE);
    seen.pictures = [];
    seen.projectors = [];
    return () => engine.close();
  });

  const start = async (prompt: Prompt) => {
    const session = await model.session({ method: 'full' });
    await session.generate(prompt, { maxTokens: 1 }).next();
    return seen.pictures.at(-1);
  };

  it('has its pictures where they were given, in text and in messages', async () => {
    const parts = ['a', picture(1, 1), 'b', picture(5, 0)];
    const tokens = await model.prompt(parts);
    expect([...tokens.ids]).toEqual([2, 97, ROW, 98, ROW]);
    expect([[...tokens.pictures], [...tokens.rows]]).toEqual([
      [2, 4],
      [5, 8],
    ]);
    expect(await start(parts)).toEqual([
      [2, 4],
      [5, 8],
    ]);
    const asked = await model.prompt([{ role: 'user', content: parts }]);
    expect(asked.ids.filter((id) => id === ROW)).toHaveLength(2);
    expect([...asked.rows]).toEqual([5, 8]);
    // One projector for all.
    expect(seen.projectors).toEqual([3]);
  });

  it('is made once, for many sessions', async () => {
    const tokens = await model.prompt(['x', picture(0, 7)]);
    const again = await model.prompt(tokens);
    expect(again).toEqual(tokens);
    for (let i = 0; i < 2; i++) expect(await start(tokens)).toEqual([[2], [10]]);
  });

  it('needs no projector without pictures, and may have their mark then', async () => {
    expect([...(await model.prompt('a\u{fffc}')).ids]).toEqual([2, 97, ROW]);
    expect(seen.projectors).toEqual([]);
  });

  it('says what is wrong with a part', async () => {
    const wrong: [unknown, string][] = [
      [['a', 5], 'param'],
      [['a', { data: [1], width: 1, height: 1 }], 'param'],
      [['a\u{fffc}', picture(1, 1)], 'param'],
      [[{ role: 'user', content: [5] }], 'param'],
      [['a', picture(0, 0)], 'picture'],
      [['a', { width: 3, height: 3 }], 'unsupported'],
      [['a', { width: 0, height: 3 }], 'picture'],
    ];
    for (const [prompt, kind] of wrong) {
      await expect(model.prompt(prompt as Part[]), JSON.stringify(prompt)).rejects.toThrow(code(kind));
      await expect(start(prompt as Part[])).rejects.toThrow(code(kind));
    }
  });
});

describe('a picture', () => {
  it('is taken off a canvas, a large one smaller', async () => {
    const drawn: number[][] = [];
    vi.stubGlobal(
      'OffscreenCanvas',
      class {
        constructor(
          readonly width: number,
          readonly height: number,
        ) {}
        getContext() {
          return {
            drawImage: (_: unknown, ...place: number[]) => drawn.push(place),
            getImageData: () => ({ data: new Uint8ClampedArray(4 * this.width * this.height).fill(1) }),
          };
        }
      },
    );
    const model = await (await openLocal({ projector })).load(FILE);
    const canvas = { width: 2048, height: 4 } as OffscreenCanvas;
    const { rows } = await model.prompt([canvas]);
    expect(drawn).toEqual([[0, 0, 1024, 2]]);
    expect([...rows]).toEqual([4 * 1024 * 2 + 1024 + 2]);
    vi.unstubAllGlobals();
  });

  it('asks again for a projector that did not come', async () => {
    const model = await (await openLocal({ projector: 'http://localhost:1/none' })).load(FILE);
    const failing = vi.fn(async () => new Response(null, { status: 404 }));
    vi.stubGlobal('fetch', failing);
    await expect(model.prompt([picture(1, 1)])).rejects.toThrow(code('http'));
    failing.mockImplementation(async () => Promise.reject(new TypeError('offline')));
    await expect(model.prompt([picture(1, 1)])).rejects.toThrow(code('network'));
    failing.mockImplementation(async () => new Response(projector));
    expect([...(await model.prompt([picture(1, 1)])).rows]).toEqual([5]);
    vi.unstubAllGlobals();
  });
});
