import { AttnscopeError, type Engine, type Model } from 'attnscope';
import { beforeEach, describe, expect, it, vi } from 'vitest';

const load = vi.fn<Engine['load']>();
vi.mock('attnscope', async (original) => ({
  ...(await original<typeof import('attnscope')>()),
  open: async () => ({ methods: [], load, close: async () => undefined }),
}));
// A visit to some folder of some host.
vi.stubGlobal('location', new URL('https://host.example/folder/'));
const { loader } = await import('../src/state/loader.svelte.js');

const stub = () => ({ info: { name: 'stub' }, close: vi.fn(async () => undefined) }) as unknown as Model;

describe('another model', () => {
  let old: Model;
  beforeEach(async () => {
    old = stub();
    await loader.start();
    load.mockReset().mockResolvedValueOnce(old);
    await loader.load('old.gguf', 'old');
  });

  it('takes the place of the old one when it is one', async () => {
    const next = stub();
    load.mockResolvedValueOnce(next);
    await loader.load('next.gguf', 'next');
    expect(loader.model).toBe(next);
    expect(old.close).toHaveBeenCalledOnce();
  });

  it('that fails leaves the old one at work', async () => {
    load.mockImplementationOnce(async (_, options) => {
      options?.onProgress?.({ stage: 'read', loaded: 50, total: 100 });
      throw new AttnscopeError('unsupported', 'No.');
    });
    await loader.load('bad.gguf', 'bad');
    expect(loader).toMatchObject({ model: old, label: 'old', status: 'ready', problem: { code: 'unsupported' } });
    expect(old.close).not.toHaveBeenCalled();
  });

  it('that does not fit beside the old one replaces it', async () => {
    const next = stub();
    load.mockRejectedValueOnce(new AttnscopeError('memory', 'Full.')).mockResolvedValueOnce(next);
    await loader.load('large.gguf', 'large');
    expect(loader).toMatchObject({ model: next, problem: null });
    expect(old.close).toHaveBeenCalledOnce();
  });

  it('is kept where it has an address, and a notice says when it is not', async () => {
    load.mockImplementationOnce(async (_, options) => {
      options?.onNotice?.({ code: 'cache_full', message: 'No room.' });
      return stub();
    });
    await loader.load('next.gguf', 'next');
    expect(load).toHaveBeenLastCalledWith('next.gguf', expect.objectContaining({ cache: true }));
    expect(loader.notice).toEqual({ title: 'The model runs from memory', detail: 'No room.' });
    load.mockImplementationOnce(async (_, options) => {
      options?.onNotice?.({ code: 'cache_unavailable', message: 'Nothing can be kept.' });
      return stub();
    });
    await loader.load(new Blob([]), 'a file');
    expect(load).toHaveBeenLastCalledWith(expect.any(Blob), expect.objectContaining({ cache: false }));
    expect(loader.notice).toBeNull();
  });

  it('dropped while one is being read is refused in words, and can be tried again', async () => {
    const [next, third] = [stub(), stub()];
    let done = (_: Model) => {};
    load.mockReturnValueOnce(new Promise((resolve) => (done = resolve)));
    const reading = loader.load('next.gguf', 'next');
    await loader.load('third.gguf', 'third');
    expect(loader.problem?.detail).toMatch(/^third was not loaded: another one is being read/);
    done(next);
    await reading;
    load.mockResolvedValueOnce(third);
    loader.retry();
    await vi.waitFor(() => expect(loader.model).toBe(third));
  });
});

describe('an address', () => {
  it('of another site is refused unless it is safe, in words', async () => {
    load.mockReset().mockResolvedValue(stub());
    await loader.start();
    await loader.load('http://other.example/m.gguf', 'm');
    expect(load).not.toHaveBeenCalled();
    expect(loader.problem).toMatchObject({ code: 'network', detail: expect.stringMatching(/begin with https:/) });
    for (const url of ['models/m.gguf', '/m.gguf', 'https://host.example/m.gguf', 'https://other.example/m.gguf']) {
      await loader.load(url, 'm');
      expect(load).toHaveBeenLastCalledWith(url, expect.anything());
      expect(loader.problem).toBeNull();
    }
  });
});

describe('the size that is asked for', () => {
  const answer = (status: number, headers = {}) => {
    vi.stubGlobal('fetch', async () => new Response(null, { status, headers }));
    return loader.ask('m.gguf').then(() => loader.offered);
  };
  it('is none only where there is no file', async () => {
    expect(await answer(404)).toBe('none');
    expect(await answer(410)).toBe('none');
    expect(await answer(200, { 'content-type': 'text/html' })).toBe('none');
    expect(await answer(405, { 'content-type': 'text/html' })).toBeNull();
    expect(await answer(503)).toBeNull();
    expect(await answer(200, { 'content-length': '42' })).toBe(42);
    expect(await answer(200)).toBeNull();
  });
});
