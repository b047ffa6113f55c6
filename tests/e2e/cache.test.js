import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { handler } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { tinyModel } from './tiny.js';

const { CHROME } = process.env;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

describe('a model that is kept in the browser', {
  skip: CHROME ? false : 'not run: CHROME not set',
  timeout: 120_000,
}, () => {
  const model = tinyModel();
  /** Where the answers began, and bytes after which the connection ends. */
  const asked = [];
  let cut = Number.POSITIVE_INFINITY;
  let server;
  let browser;
  let seen;
  let origin;
  before(async () => {
    const files = handler({ '/attnscope/': at('../../pkg/dist'), '/favicon.ico': at('../../www/public/favicon.svg') });
    server = createServer((request, response) => {
      if (request.url !== '/model.gguf') return files(request, response);
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      asked.push(from);
      const range = from > 0 && { 'content-range': `bytes ${from}-${model.length - 1}/${model.length}` };
      response.writeHead(from > 0 ? 206 : 200, { etag: '"1"', 'content-length': model.length - from, ...range });
      // What was sent must have arrived before the connection ends.
      if (cut < model.length)
        response.write(model.subarray(from, cut), () => setTimeout(() => response.destroy(), 200));
      else response.end(model.subarray(from));
    });
    await new Promise((resolve) => server.listen(0, 'localhost', resolve));
    origin = `http://localhost:${server.address().port}`;
    browser = await launch(CHROME);
    seen = await openPage(browser, origin);
    await seen.page.goto(`${origin}/attnscope/index.js`);
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  /** Loads it and says what was heard, or the code of the error, and what is kept then. */
  const load = (options = {}) =>
    seen.page.evaluate(async (options) => {
      const { load, models } = await import('/attnscope/index.js');
      const heard = { stages: [], notices: [], code: null, ids: [] };
      const onProgress = ({ stage }) => heard.stages.at(-1) !== stage && heard.stages.push(stage);
      const onNotice = ({ code }) => heard.notices.push(code);
      try {
        const model = await load('/model.gguf', { cache: true, onProgress, onNotice, ...options });
        const session = await model.session({ method: 'full', ignoreEos: true });
        for await (const { id } of session.generate('abc', { maxTokens: 4 })) heard.ids.push(id);
        await model.close();
      } catch (error) {
        heard.code = error.code;
      }
      return { ...heard, kept: await models() };
    }, options);

  it('goes on where a download was interrupted, and then needs no network', async () => {
    cut = 200_000;
    const first = await load();
    assert.equal(first.code, 'network');
    assert.deepEqual(
      first.kept.map(({ bytes, total, sha256 }) => [bytes, total, sha256]),
      [[200_000, model.length, null]],
    );
    cut = Number.POSITIVE_INFINITY;
    const second = await load();
    assert.deepEqual([second.code, second.notices, asked], [null, [], [0, 200_000]]);
    assert.equal(second.kept[0].bytes, model.length);
    assert.match(second.kept[0].sha256, /^[0-9a-f]{64}$/);
    await seen.page.reload();
    const third = await load({ sha256: second.kept[0].sha256 });
    assert.deepEqual([third.stages, third.notices], [['engine', 'verify', 'load', 'ready'], []]);
    assert.deepEqual(third.ids, second.ids);
    // What is complete is read in the page's own thread too.
    assert.deepEqual((await load({ worker: false })).ids, second.ids);
    assert.equal(asked.length, 2);
  });

  it('is removed by its name', async () => {
    const left = await seen.page.evaluate(async () => {
      const { models, removeModel } = await import('/attnscope/index.js');
      const [{ name }] = await models();
      return [await removeModel(name), await removeModel(name), await models()];
    });
    assert.deepEqual(left, [true, false, []]);
    const inPage = await load({ worker: false });
    assert.deepEqual([inPage.code, inPage.notices, inPage.kept], [null, ['cache_unavailable'], []]);
  });

  it('is loaded on by the second of two who want it at once', async () => {
    const both = await Promise.all([load(), load()]);
    assert.deepEqual(
      both.map(({ code, notices }) => [code, notices.filter((code) => code !== 'cache_busy')]),
      [
        [null, []],
        [null, []],
      ],
    );
    assert.deepEqual((await load()).stages, ['engine', 'verify', 'load', 'ready']);
  });

  it('has logged no error but the connection that ended, and asked nobody else', () => {
    assert.deepEqual(
      seen.errors.filter((error) => !error.includes('Failed to load resource')),
      [],
    );
    assert.deepEqual(seen.foreign, []);
  });
});
