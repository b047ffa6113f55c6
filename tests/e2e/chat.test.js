import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { readTrace } from './canvas.js';
import { choose, finished, loadModel, run, setParam, verdictOf } from './controls.js';
import { tell } from './facts.js';
import { opensAgain } from './reopened.js';
import { MODEL, SKIP, site, staysQuiet } from './site.js';

/** Bytes of a token's keys and values: 30 layers, 3 KV heads of 64 numbers, of two bytes. */
const ROW = 30 * 3 * 2 * 64 * 2;

describe('a conversation, the advisor and the guard, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
  });

  const button = (name) => page.getByRole('button', { name, exact: true });

  it('goes on round by round, and says which rounds are read', async () => {
    await choose(page, ['full', 'round_attention']);
    await page.getByLabel('Prompt', { exact: true }).selectOption('conversation');
    await page.getByLabel('Tokens to generate').fill('10');
    await page.getByText('Parameters of the chosen methods').click();
    await setParam(page, 'round_attention', 'mass_threshold', 0.4);
    await page.getByText('Parameters of the chosen methods').click();
    await run(page);
    let parted = 0;
    for (const rounds of [2, 3, 4]) {
      if (rounds === 3) {
        // With keys, of which some have a meaning on a map.
        await page.locator('#message').pressSequentially('Is six plus two less? M, L, P');
        assert.equal(await page.locator('#message').inputValue(), 'Is six plus two less? M, L, P');
      }
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
      const line = await verdictOf(page, 'round_attention');
      const says = `${read} of ${all} rounds above layer ${layer}`;
      const count = parked.toString().replace(/\B(?=(\d{3})+$)/g, '\u202f');
      if (read < all) parted++;
      // Where every round is read there is nothing to choose and nothing is parked.
      assert.equal(line.includes(says), read < all, line);
      assert.equal(line.includes(`${count} rows parked`), parked > 0, line);
      assert.equal(
        await verdictOf(page, 'full'),
        `Reads all ${full.length} positions in every head. Keeps everything.`,
      );
    }
    assert.ok(parted > 0, 'every round was read every time');
    assert.equal(await page.locator('[data-stream="round_attention"] q').count(), 3);
    assert.equal(await page.locator('[data-strip="round_attention"]').count(), 1);
  });

  it('opens again from a trace file, round by round, and says that it cannot go on', async () => {
    const { step, tracks } = await page.evaluate(() => window.__attnscope.state());
    const turns = tracks[1].turns;
    assert.deepEqual(
      turns.map(({ text }) => text),
      await page.locator('[data-stream="round_attention"] q').allTextContents(),
    );
    assert.equal(turns.length, 3);
    const steps = [0, turns[0].step, turns[1].step - 1, turns[2].step];
    assert.ok(
      steps.every((at) => at < step),
      `${steps} of ${step}`,
    );
    await opensAgain(built, page, { methods: ['full', 'round_attention'], steps }, async (other) => {
      await other.getByText('This conversation was recorded: it cannot go on.').waitFor();
      assert.equal(await other.locator('#message').count(), 0);
    });
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
    assert.match(await verdictOf(page, 'flex_prefill+tidal_decode'), /Keeps everything/);
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
    // With budgets all of them fit, into about half of what this text takes.
    const bytes = 8_000_000;
    await choose(page, ['h2o', 'snap_kv', 'scope']);
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-600');
    await page.getByLabel('Megabytes for keys and values').fill(String(bytes / 1e6));
    await page.getByLabel('Megabytes for keys and values').blur();
    await run(page);
    const { prompt, tracks } = await page.evaluate(() => window.__attnscope.state());
    assert.ok(prompt.length * ROW > 1.5 * bytes, `${prompt.length} tokens fit as they are`);
    for (const { name, kvBytes } of tracks) {
      assert.ok(Math.max(...kvBytes) <= bytes, `${name}: ${Math.max(...kvBytes)} bytes stored`);
      // What fits is used, and not thrown away with the rest.
      assert.ok(Math.max(...kvBytes) > bytes / 2, `${name}: only ${Math.max(...kvBytes)} bytes stored`);
    }
    await page.getByLabel('fit budgets to').uncheck();
    await page.getByLabel('Prompt', { exact: true }).selectOption('conversation');
    await page.getByLabel('Tokens to generate').fill('10');
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
    assert.match(await verdictOf(page, 'tidal_decode'), /A guard took over at token \d+\.$/);
  });

  staysQuiet(() => seen);
});
