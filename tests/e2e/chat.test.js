import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.js';
import { readTrace } from './canvas.js';
import { choose, finished, loadModel, run, setParam } from './controls.js';
import { tell } from './facts.js';
import { SKIP } from './package.js';
import { serve } from './server.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME, ATTNSCOPE_MODEL } = process.env;

describe('a conversation, the advisor and the guard, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  let server;
  let browser;
  let page;
  let seen;
  before(async () => {
    server = await serve(at('../../www/dist'), ATTNSCOPE_MODEL);
    browser = await launch(CHROME);
    seen = await openPage(browser, server.origin);
    page = seen.page;
    await page.goto(`${server.url}?test`);
    await loadModel(page);
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  const verdict = async (method) => (await page.locator(`[data-verdict="${method}"]`).textContent()) ?? '';
  const button = (name) => page.getByRole('button', { name, exact: true });

  it('goes on round by round, and says which rounds are read', async () => {
    await choose(page, ['full', 'round_attention']);
    await page.getByLabel('Prompt', { exact: true }).selectOption('conversation');
    await page.getByLabel('Tokens to generate').fill('10');
    await page.getByText('Parameters of the chosen methods').click();
    await setParam(page, 'round_attention', 'mass_threshold', 0.4);
    await page.getByText('Parameters of the chosen methods').click();
    await run(page);
    for (const rounds of [2, 3, 4]) {
      if (rounds === 3) await page.locator('#message').fill('And what is two and two?');
      await button(rounds === 3 ? 'Send' : 'Send this').click();
      await finished(page);
      const { info, traces } = await readTrace(page);
      const [full, round] = ['full', 'round_attention'].map((name) => {
        const { steps } = traces.find(({ method }) => method === name);
        return tell(info, steps);
      });
      // The same tokens at the same places.
      assert.equal(round.length, full.length);
      const { layer, read, all, parked } = round.rounds;
      assert.equal(all, rounds);
      const line = await verdict('round_attention');
      if (read < all) {
        assert.ok(line.includes(`${read} of ${all} rounds above layer ${layer}`), line);
        assert.match(line, new RegExp(`${parked.toString().replace(/\B(?=(\d{3})+$)/g, '.')} rows parked`), line);
      }
      assert.equal(await verdict('full'), `Reads all ${full.length} positions in every head. Keeps everything.`);
    }
    assert.equal(await page.locator('[data-stream="round_attention"] q').count(), 3);
    assert.equal(await page.locator('[data-strip="round_attention"]').count(), 1);
  });

  it('advises what fits, and takes it', async () => {
    await page.getByText('Which method, how large a budget?').click();
    await page.getByLabel('Memory for keys and values, MB').fill('64');
    await button('Advise').click();
    const advised = page.locator('li.advised');
    await advised.waitFor();
    assert.equal(await advised.count(), 1);
    assert.match((await advised.textContent()) ?? '', /fits: 6\d\.\d MB of 64\.0 MB/);
    await page.getByLabel('What matters').selectOption('long-sequence');
    await page.getByLabel('Tokens of text').fill('1024');
    await button('Advise').click();
    const both = page.locator('[data-advice="FlexPrefill + TidalDecode"]');
    await both.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('Runs beside the chosen methods: FlexPrefill + TidalDecode').waitFor();
    await choose(page, ['full']);
    await run(page);
    assert.equal(await page.locator('canvas[data-map]').count(), 2);
    assert.match(await verdict('flex_prefill+tidal_decode'), /Keeps everything/);
    await button('Leave it out').click();
    await page.getByText('Which method, how large a budget?').click();
  });

  it('fits budgets to a memory', async () => {
    await choose(page, ['full', 'h2o']);
    await page.getByLabel('fit budgets to').check();
    await page.getByLabel('Megabytes for keys and values').fill('1');
    await page.getByLabel('Megabytes for keys and values').blur();
    await button('Run').click();
    // What has no budget cannot be made to fit, and says what it needs.
    const banner = page.locator('[data-code="param"]');
    assert.match((await banner.textContent()) ?? '', /memory = 1000000.*bytes or more for full/);
    await banner.getByLabel('Close this message').click();
    await page.getByLabel('fit budgets to').uncheck();
  });

  it('shows what the monitors saw, and when one took over', async () => {
    await choose(page, ['full', 'tidal_decode']);
    await page.getByLabel('as a chat message').uncheck();
    await page.getByText('Parameters of the chosen methods').click();
    await setParam(page, 'tidal_decode', 'top_k', 4);
    await page.getByText('Parameters of the chosen methods').click();
    await page.getByText('Watch what a method misses').click();
    await page.getByLabel('Compare every').fill('2');
    await page.getByLabel('guard: leave a failing').check();
    await page.getByLabel('recall').fill('0.999');
    await page.getByLabel('recall').blur();
    await run(page);
    const row = page.locator('[data-guard="tidal_decode"]');
    const told = ((await row.textContent()) ?? '').replace(/\s+/g, ' ');
    assert.match(told, /recall \d+.*! token \d+: recall was .*, the limit is >.99.*here on it reads everything/);
    assert.match(await verdict('tidal_decode'), /A guard took over at token \d+\.$/);
  });

  it('logged no error and asked nobody else', () => {
    assert.deepEqual(seen.errors, []);
    assert.deepEqual(seen.foreign, []);
  });
});
