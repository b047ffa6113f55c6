import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { badLine } from './bad-line.js';
import { launch, openPage } from './browser.js';
import { soon } from './controls.js';
import { at, CHROME, SKIP_BROWSER } from './site.js';
import { tinyModel } from './tiny.js';

describe('a model that is kept in the browser', {
  skip: SKIP_BROWSER,
  timeout: 120_000,
}, () => {
  const model = tinyModel();
  let line;
  let browser;
  let seen;
  before(async () => {
    const mounts = { '/attnscope/': at('../../pkg/dist'), '/favicon.ico': at('../../www/public/favicon.svg') };
    line = await badLine(mounts, '/model.gguf', model);
    browser = await launch(CHROME);
    seen = await openPage(browser, line.origin);
    await seen.page.goto(`${line.origin}/attnscope/index.js`);
  });
  after(async () => {
    await browser?.close();
    line?.close();
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

  /** Bytes of each file that is kept. */
  const kept = () =>
    seen.page.evaluate(async () => {
      const { models } = await import('/attnscope/index.js');
      return (await models()).map(({ bytes }) => bytes);
    });

  it('goes on where a download was interrupted, and then needs no network', async () => {
    line.stopAt(200_000);
    const loading = load();
    await soon(async () => assert.deepEqual(await kept(), [200_000]));
    line.hangUp();
    const first = await loading;
    assert.equal(first.code, 'network');
    assert.deepEqual(
      first.kept.map(({ bytes, total, sha256 }) => [bytes, total, sha256]),
      [[200_000, model.length, null]],
    );
    line.stopAt();
    const second = await load();
    assert.deepEqual([second.code, second.notices, line.asked], [null, [], [0, 200_000]]);
    assert.equal(second.kept[0].bytes, model.length);
    assert.match(second.kept[0].sha256, /^[0-9a-f]{64}$/);
    await seen.page.reload();
    const third = await load({ sha256: second.kept[0].sha256 });
    assert.deepEqual([third.stages, third.notices], [['engine', 'verify', 'load', 'ready'], []]);
    assert.deepEqual(third.ids, second.ids);
    // What is complete is read in the page's own thread too.
    assert.deepEqual((await load({ worker: false })).ids, second.ids);
    assert.equal(line.asked.length, 2);
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
