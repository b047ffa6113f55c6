import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { fillIn, loadModel, run } from './controls.js';
import { MODEL, SKIP, site, staysQuiet } from './site.js';

describe('keys, pins and speeds, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
    const text = 'One, two, three, four, five, six, seven, eight, nine, ten,';
    await fillIn(page, { methods: ['full', 'h2o', 'quant_spec'], budget: 16, text, tokens: 10 });
    await run(page);
  });

  const button = (name) => page.getByRole('button', { name, exact: true });
  const map = (method) => page.locator('.field', { has: page.locator(`[data-map="${method}"]`) });
  const shown = () => page.locator('canvas[data-map]:visible').count();

  it('work on a map: mode, room, head, step', async () => {
    const field = map('h2o');
    await field.focus();
    await field.press('m');
    assert.equal(await button('Storage').getAttribute('aria-pressed'), 'true');
    await field.press('M');
    assert.equal(await button('Weights').getAttribute('aria-pressed'), 'true');
    await field.press('m');
    await field.press('m');
    assert.equal(await button('Reads').getAttribute('aria-pressed'), 'true');
    await field.press('2');
    assert.equal(await shown(), 1);
    await field.press('2');
    assert.equal(await shown(), 3);
    for (const key of ['ArrowDown', 'ArrowRight', 'Enter', ']', ']']) await field.press(key);
    await page.getByText('H2O · L0 · H3').waitFor();
    for (const key of ['[', '[', '[', '[']) await field.press(key);
    await page.getByText('H2O · L29 · H8').waitFor();
    await field.press('Space');
    await button('Pause').waitFor();
    await field.press('Space');
    await field.press('l');
    assert.equal(await button('Live').getAttribute('aria-pressed'), 'true');
  });

  it('pin three cells and no more, and go back to one', async () => {
    const field = map('h2o');
    await field.focus();
    for (const key of ['p', 'p', 'ArrowRight', 'p', 'ArrowRight', 'p', 'ArrowRight', 'p']) await field.press(key);
    assert.equal(await page.locator('[data-pin]').count(), 3);
    await page.locator('[data-pin] .go').first().click();
    await page.getByText('H2O · L29 · H8').waitFor();
    await page
      .getByLabel(/^Unpin/)
      .first()
      .click();
    assert.equal(await page.locator('[data-pin]').count(), 2);
    await page.keyboard.press('Escape');
  });

  it('are listed, and are letters in a text field', async () => {
    const slider = page.getByRole('slider', { name: 'Token', exact: true });
    await slider.focus();
    await slider.press('?');
    const list = page.getByRole('dialog', { name: 'Keys' });
    await list.waitFor();
    await list.getByRole('button', { name: 'Close' }).click();
    await list.waitFor({ state: 'hidden' });
    const prompt = page.getByLabel('Text of the prompt');
    await prompt.focus();
    await prompt.press('End');
    for (const key of ['m', '2', '?']) await prompt.press(key);
    assert.match(await prompt.inputValue(), /m2\?$/);
    assert.equal(await shown(), 3);
    assert.equal(await button('Reads').getAttribute('aria-pressed'), 'true');
  });

  it('measures every method alone', async () => {
    await button('Measure speeds').click();
    await page.locator('[data-speed="quant_spec"]').waitFor({ timeout: 120_000 });
    assert.equal(await page.locator('[data-speed]').count(), 3);
    for (const row of await page.locator('[data-speed]').all()) {
      const [reads, writes] = (await row.locator('td').allTextContents()).map((t) => Number(t.replace(/\s/g, '')));
      assert.ok(reads > 0 && writes > 0, `${reads} and ${writes} tokens a second`);
    }
    await page.getByText('Agreement with Full attention').waitFor();
  });

  staysQuiet(() => seen);
});
