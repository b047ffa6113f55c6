import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { choose, fillIn, loadModel, run } from './controls.js';
import { MODEL, SKIP, SLOW, site, staysQuiet } from './site.js';

/** Milliseconds from the click until the page says that it stopped. */
const MOST = 300 * SLOW;
const EIGHT = ['full', 'h2o', 'tidal_decode', 'flex_prefill', 'star_attention', 'quant_spec', 'scope', 'snap_kv'];

describe('Stop, with the real model', { skip: SKIP, timeout: 300_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-1200');
  });

  const button = (name) => page.getByRole('button', { name, exact: true });
  /** How far the first prompt is read, of 1; null while nothing is. */
  const read = () =>
    page.evaluate(() => {
      const bar = document.querySelector('[data-stream]:not([data-old]) progress');
      return bar instanceof HTMLProgressElement && bar.max > 1 ? bar.value / bar.max : null;
    });

  /** Clicks on Stop in the page itself, so that only what a visitor waits for is measured. */
  const stop = (words) =>
    page.evaluate(
      (words) =>
        new Promise((resolve) => {
          const began = performance.now();
          const look = () => document.body.textContent.includes(words) && resolve(performance.now() - began);
          const seen = new MutationObserver(look);
          seen.observe(document.body, { subtree: true, childList: true, characterData: true });
          document.querySelector('button.stop')?.click();
        }),
      words,
    );

  /** Begins, and goes on to a part of the prompt. */
  async function readTo(part) {
    // What the run before has left stands there until the new one has its sessions.
    await page.locator('[data-stream]').evaluateAll((all) => {
      for (const row of all) row.setAttribute('data-old', '');
    });
    await button('Run').click();
    for (;;) {
      const is = await read();
      if (is !== null && is >= part) return is;
      await page.waitForTimeout(10);
    }
  }

  for (const [what, methods, parts] of [
    ['one method', ['full'], [0, 0.3, 0.7]],
    ['eight methods', EIGHT, [0, 0.5]],
  ]) {
    it(`ends the prompt of ${what}, wherever it is`, async (t) => {
      await choose(page, methods);
      for (const part of parts) {
        const is = await readTo(part);
        const took = await stop('stopped while reading the prompt');
        t.diagnostic(`at ${Math.round(100 * is)} % of the prompt: ${Math.round(took)} ms`);
        assert.ok(took <= MOST, `${took} ms`);
        const { prompt, tracks } = await page.evaluate(() => window.__attnscope.state());
        assert.ok(prompt.length >= 1000, `${prompt.length} tokens`);
        assert.ok(tracks.every(({ said }) => said.length === 0));
        await button('Run').waitFor();
      }
    });
  }

  it('ends the text, and what was written stays', async (t) => {
    await fillIn(page, { methods: EIGHT, text: 'One, two, three, four, five,', tokens: 500 });
    await button('Run').click();
    // The run before had none.
    await page.waitForFunction(() => window.__attnscope.state().step >= 3);
    const took = await stop('· stopped');
    t.diagnostic(`${Math.round(took)} ms`);
    assert.ok(took <= MOST, `${took} ms`);
    const { tracks } = await page.evaluate(() => window.__attnscope.state());
    for (const { name, said } of tracks) assert.ok(said.length >= 3 && said.length < 500, `${name}: ${said.length}`);
  });

  it('leaves a page that runs again', async () => {
    await choose(page, ['full']);
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-1200');
    await run(page);
    assert.match((await page.locator('[data-stream="full"]').textContent()) ?? '', /48213/);
  });

  staysQuiet(() => seen);
});
