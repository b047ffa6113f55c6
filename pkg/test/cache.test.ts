import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { models, open, removeModel } from '../src/index.js';
import type { Engine, LoadProgress, ReadOptions } from '../src/types.js';
import { fileClass, navigatorWithOpfs, opfs, resetOpfs } from './opfs.js';
import { seen } from './stub-engine.js';

const FILE = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
FILE.set(new TextEncoder().encode('GGUF'));
const OTHER = FILE.map((byte, i) => (i < 4 ? byte : 255 - byte));
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const HASH = hashOf(FILE);
const URL = 'https://example.org/tiny.gguf';
const code = (value: string) => expect.objectContaining({ name: 'AttnscopeError', code: value });

/** What the server has and does. */
const server = {
  file: FILE,
  etag: 'one' as string | null,
  ranges: true,
  /** Bytes after which the connection ends. */
  cut: Number.POSITIVE_INFINITY,
  /** Where the answers began. */
  asked: [] as number[],
};

async function answer(_: string, { headers }: { headers?: { range?: string } }): Promise<Response> {
  const wanted = Number(/^bytes=(\d+)-$/.exec(headers?.range ?? '')?.[1] ?? 0);
  const from = server.ranges ? wanted : 0;
  server.asked.push(from);
  if (from > 0 && from >= server.file.length) return new Response(null, { status: 416 });
  const rest = server.file.slice(from);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (from + at >= server.cut) return controller.error(new TypeError('reset'));
      if (at >= rest.length) return controller.close();
      controller.enqueue(rest.slice(at, at + 100));
      at += 100;
    },
  });
  const length = { 'content-length': String(rest.length), ...(server.etag && { etag: server.etag }) };
  const range = from > 0 && { 'content-range': `bytes ${from}-${server.file.length - 1}/${server.file.length}` };
  return new Response(body, { status: from > 0 ? 206 : 200, headers: { ...length, ...range } });
}

describe('a model that is kept', () => {
  let engine: Engine;
  let notices: string[];
  let stages: LoadProgress[];
  beforeEach(async () => {
    vi.stubGlobal('navigator', navigatorWithOpfs);
    vi.stubGlobal('FileSystemFileHandle', fileClass(false));
    vi.stubGlobal('fetch', vi.fn(answer));
    resetOpfs();
    Object.assign(server, { file: FILE, etag: 'one', ranges: true, cut: Number.POSITIVE_INFINITY, asked: [] });
    engine = await open({ worker: false });
    return () => {
      vi.unstubAllGlobals();
      return engine.close();
    };
  });
  const load = async (options: ReadOptions = {}, url = URL) => {
    [notices, stages, seen.pushed] = [[], [], 0];
    const more = {
      onNotice: (n: { code: string }) => notices.push(n.code),
      onProgress: (p: LoadProgress) => stages.push(p),
    };
    const model = await engine.load(url, { cache: true, ...more, ...options });
    await model.close();
  };
  const names = () => [...new Set(stages.map(({ stage }) => stage))];

  it('is downloaded once, then checked and read', async () => {
    await load();
    expect([names(), notices, server.asked]).toEqual([['download', 'ready'], [], [0]]);
    expect(await models()).toEqual([{ name: URL, url: URL, bytes: 1000, total: 1000, sha256: HASH }]);
    await load();
    expect([names(), notices, server.asked]).toEqual([['verify', 'load', 'ready'], [], [0]]);
    expect(seen.pushed).toBe(1000);
    expect(stages.at(-1)).toEqual({ stage: 'ready', loaded: 1000, total: 1000 });
    expect([...opfs.files.keys()].some((name) => name.endsWith('.part'))).toBe(false);
  });

  it('goes on where a download was interrupted', async () => {
    server.cut = 400;
    await expect(load()).rejects.toThrow(code('network'));
    expect(await models()).toEqual([{ name: URL, url: URL, bytes: 400, total: 1000, sha256: null }]);
    server.cut = 700;
    await expect(load()).rejects.toThrow(code('network'));
    server.cut = Number.POSITIVE_INFINITY;
    await load();
    expect(server.asked).toEqual([0, 400, 700]);
    expect(seen.pushed).toBe(1000);
    expect((await models())[0]).toMatchObject({ bytes: 1000, sha256: HASH });
  });

  it('goes on after it was stopped on request', async () => {
    const stop = new AbortController();
    const onProgress = ({ loaded }: LoadProgress) => loaded >= 300 && stop.abort();
    vi.spyOn(performance, 'now').mockImplementation(() => 1e3 * seen.pushed);
    await expect(load({ signal: stop.signal, onProgress })).rejects.toThrow(code('aborted'));
    vi.mocked(performance.now).mockRestore();
    const [{ bytes }] = await models();
    expect(bytes).toBeGreaterThanOrEqual(300);
    await load();
    expect(server.asked).toEqual([0, bytes]);
  });

  it('begins anew where the server cannot go on, or has another file by now', async () => {
    const changes = [
      { ranges: false },
      { file: OTHER, etag: 'two' },
      { etag: null },
      { file: OTHER.slice(0, 300), etag: 'two' },
    ];
    for (const change of changes) {
      resetOpfs();
      Object.assign(server, { file: FILE, etag: 'one', ranges: true, cut: 400 });
      await expect(load()).rejects.toThrow(code('network'));
      Object.assign(server, { cut: Number.POSITIVE_INFINITY, ...change });
      await load();
      expect((await models())[0].sha256).toBe(hashOf(server.file));
      expect(seen.pushed).toBe(server.file.length);
    }
  });

  it('needs the network no more when all of it is here but was not checked', async () => {
    await load();
    const [complete] = [...opfs.files.keys()].filter((name) => name.endsWith('.gguf'));
    const [record] = [...opfs.files.keys()].filter((name) => name.endsWith('.json'));
    opfs.files.set(record.replace('json', 'part'), opfs.files.get(complete)!);
    opfs.files.delete(complete);
    await load();
    expect([server.asked, notices]).toEqual([[0], []]);
    expect((await models())[0].sha256).toBe(HASH);
  });

  it('is refused when it is not the file that was wanted', async () => {
    await expect(load({ sha256: hashOf(OTHER) })).rejects.toThrow(code('checksum'));
    expect(await models()).toEqual([]);
    await load({ sha256: HASH.toUpperCase() });
    // The same bytes elsewhere are known by their hash.
    await load({ sha256: HASH }, `${URL}?again`);
    expect([names(), server.asked.length]).toEqual([['verify', 'load', 'ready'], 2]);
    expect((await models()).map(({ name }) => name)).toEqual([URL, `${URL}?again`]);
    // Without a cache too.
    await expect(engine.load(FILE, { sha256: hashOf(OTHER) })).rejects.toThrow(code('checksum'));
    await engine.load(FILE, { sha256: HASH });
  });

  it('is downloaded again when it was damaged', async () => {
    await load();
    const [file] = [...opfs.files.keys()].filter((name) => name.endsWith('.gguf'));
    opfs.files.get(file)![500] ^= 1;
    await load();
    expect([notices, server.asked]).toEqual([['cache_damaged'], [0, 0]]);
    await load();
    expect([notices, names()]).toEqual([[], ['verify', 'load', 'ready']]);
  });

  it('does not keep what is no model', async () => {
    server.file = new TextEncoder().encode('<!doctype html>');
    await expect(load()).rejects.toThrow(code('not_gguf'));
    server.file = FILE;
    await load();
    expect(server.asked).toEqual([0, 0]);
  });

  it('loads without being kept where there is no room, no file system, no worker, or another who writes', async () => {
    opfs.quota = 500;
    await load();
    expect([notices, seen.pushed]).toEqual([['cache_full'], 1000]);
    expect(await models()).toEqual([]);
    resetOpfs();
    vi.stubGlobal('FileSystemFileHandle', fileClass(true));
    await load();
    expect([notices, seen.pushed, opfs.files.size]).toEqual([['cache_unavailable'], 1000, 0]);
    vi.stubGlobal('FileSystemFileHandle', fileClass(false));
    await load();
    for (const name of [...opfs.files.keys()]) if (name.endsWith('.gguf')) opfs.files.delete(name);
    opfs.locked.add([...opfs.files.keys()][0].replace('json', 'part'));
    await load();
    expect([notices, seen.pushed]).toEqual([['cache_busy'], 1000]);
    vi.stubGlobal('navigator', undefined);
    await load();
    expect([notices, seen.pushed, await models(), await removeModel(URL)]).toEqual([
      ['cache_unavailable'],
      1000,
      [],
      false,
    ]);
  });

  it('is removed by its name, and the file with its last name', async () => {
    await load({ cache: { name: 'a' } });
    await load({ cache: { name: 'b' }, sha256: HASH });
    expect((await models()).map(({ name, sha256 }) => [name, sha256])).toEqual([
      ['a', HASH],
      ['b', HASH],
    ]);
    expect([await removeModel('a'), await removeModel('a')]).toEqual([true, false]);
    expect((await models()).map(({ name }) => name)).toEqual(['b']);
    // The name stands for another file from now on.
    server.file = OTHER;
    await load({ cache: { name: 'b' } }, `${URL}?other`);
    expect(await removeModel('b')).toBe(true);
    expect([...opfs.files.keys()]).toEqual([]);
  });

  it('is asked for in the right words', async () => {
    const refused = async (source: string | Uint8Array, options: unknown) =>
      expect(engine.load(source, options as ReadOptions)).rejects.toThrow(code('param'));
    await refused(FILE, { cache: true });
    await refused(URL, { cache: { name: '' } });
    await refused(URL, { cache: 'yes' });
    await refused(URL, { sha256: 'abc' });
    await refused(URL, { sha256: 5 });
  });
});
