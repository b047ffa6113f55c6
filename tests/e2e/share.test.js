import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readTraceFile, writeTraceFile } from 'attnscope/trace';
import { chosen, clickMap } from './controls.js';
import { at, SKIP_BROWSER, site } from './site.js';

describe('a link to what is shown', {
  skip: SKIP_BROWSER,
  timeout: 120_000,
}, () => {
  const built = site();

  /** A visit of its own, with the engine up. */
  async function visit(hash = '') {
    const seen = await built.visit(`?test${hash}`, { permissions: ['clipboard-read', 'clipboard-write'] });
    await seen.page.locator('[data-recorded="bundled"]').waitFor();
    await seen.page.locator('[data-method="full"]').waitFor();
    return seen;
  }
  const state = (page) => page.evaluate(() => window.__attnscope.state());
  const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

  it('brings another visitor to the same step and cell of the recorded run', async () => {
    const { page, errors, context } = await visit();
    await page.getByRole('button', { name: 'Storage' }).click();
    const slider = page.getByRole('slider', { name: 'Token', exact: true });
    await slider.fill('4');
    await clickMap(page, 'scope', 0.4, 0.5);
    await slider.focus();
    await page.keyboard.press('s');
    await page.getByText('The link is copied.').waitFor();
    const link = await clipboard(page);
    assert.match(link, /#v=1&p=needle-600&m=full,scope,tidal_decode,quant_spec&/);
    assert.equal(link, page.url());
    const there = await visit(new URL(link).hash);
    await there.page.waitForFunction(() => window.__attnscope.state().look.cell !== null);
    const { look } = await state(page);
    assert.equal(look.step, 4);
    assert.deepEqual((await state(there.page)).look, look);
    assert.equal(await there.page.getByLabel('Prompt', { exact: true }).inputValue(), 'needle-600');
    assert.deepEqual([errors, there.errors], [[], []]);
    await context.close();
    await there.context.close();
  });

  it('restores own text, methods, values, budget, tokens and seed', async () => {
    const text = 'Ein „Text“ & mehr: 1 + 1 = 2 #hash?\n次の行';
    const params = new URLSearchParams({
      v: '1',
      p: 'own',
      t: text,
      m: 'full,h2o',
      b: '128',
      n: '20',
      chat: '0',
      same: '0',
    });
    const { page, errors, context } = await visit(`#${params}&temperature=0.8&seed=7&h2o.heavy=99&mode=storage`);
    assert.equal(await page.getByLabel('Text of the prompt').inputValue(), text);
    assert.deepEqual(await chosen(page), ['full', 'h2o']);
    assert.equal(await page.locator('#h2o-heavy').inputValue(), '99');
    assert.equal(await page.locator('#h2o-recent').inputValue(), '64');
    assert.equal(await page.getByLabel('Tokens to generate').inputValue(), '20');
    assert.equal(await page.getByLabel('Seed').inputValue(), '7');
    assert.equal(await page.getByLabel('each writes its own').isChecked(), true);
    assert.equal(await page.getByRole('button', { name: 'Storage' }).getAttribute('aria-pressed'), 'true');
    await page.getByRole('button', { name: 'Back to my settings' }).click();
    assert.match(await page.getByLabel('Text of the prompt').inputValue(), /^Why is the sky blue/);
    assert.equal(new URL(page.url()).hash, '');
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('says what of it could not be used', async () => {
    const { page, errors, context } = await visit('#v=1&p=needle-600&m=full,nobody&b=1e9&n=-3&step=999&cell=full.1.2');
    const notice = page.locator('[data-notice="Not all of this link could be used"]');
    await notice.waitFor();
    const says = (await notice.textContent()) ?? '';
    for (const part of [/budget/, /number of tokens/, /methods that are not here/]) assert.match(says, part);
    assert.equal(await page.getByLabel('Tokens to generate').inputValue(), '1');
    await page.evaluate(() => {
      location.hash = '#v=9&p=question';
    });
    await page.getByText('made by another version').waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('says that a long text is not in it', async () => {
    const run = await readTraceFile(readFileSync(at('../../www/src/recorded.attn')));
    const recipe = { ...run.settings.recipe, preset: 'own', text: 'long '.repeat(500) };
    const buffer = Buffer.from(await writeTraceFile({ ...run, settings: { ...run.settings, recipe } }));
    const { page, errors, context } = await visit();
    await page.getByLabel('File to open').setInputFiles({ name: 'long.attn', mimeType: '', buffer });
    await page.locator('[data-recorded="long.attn"]').waitFor();
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByText(/2.500 characters.*it is not in it/).waitFor();
    assert.match(page.url(), /#v=1&p=own&m=full/);
    assert.deepEqual(errors, []);
    await context.close();
  });
});
