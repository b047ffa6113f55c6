import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { badLine } from './bad-line.js';
import { launch, openPage } from './browser.js';
import { at, CHROME, SKIP_BROWSER } from './site.js';
import { tinyModel } from './tiny.js';

const MODEL = '/models/SmolLM2-135M-Instruct.Q4_1.gguf';

describe('the model of the page, in the browser from then on', {
  skip: SKIP_BROWSER,
  timeout: 120_000,
}, () => {
  const model = tinyModel();
  let line;
  let browser;
  let seen;
  let url;
  const load = () => seen.page.getByRole('button', { name: /^Load Smol.*\)$/ });
  const ready = () => seen.page.getByText(/^2 layers/).waitFor();

  before(async () => {
    line = await badLine({ '/': at('../../www/dist') }, MODEL, model);
    url = `${line.origin}/`;
    browser = await launch(CHROME);
    seen = await openPage(browser, line.origin);
    await visit();
  });
  after(async () => {
    await browser?.close();
    line?.close();
  });

  async function visit() {
    await seen.page.goto(url);
    await seen.page.locator('[data-method="full"]').waitFor();
  }

  it('goes on where a download broke off, also on another visit', async () => {
    line.stopAt(200_000);
    await load().click();
    await seen.page.getByText('200 kB of').waitFor();
    line.hangUp();
    await seen.page.locator('[data-code="network"]').waitFor();
    await seen.page.getByText('200 kB of').waitFor();
    line.stopAt();
    await visit();
    await load().click();
    await ready();
    assert.deepEqual(line.asked, [0, 200_000]);
  });

  it('then loads without a network, and says so', async () => {
    await visit();
    await seen.page.locator('[data-kept="yes"]').getByText('loads without a network').waitFor();
    const gone = (route) => route.abort('internetdisconnected');
    await seen.context.route(`**${MODEL}`, gone);
    await load().click();
    await ready();
    await seen.context.unroute(`**${MODEL}`, gone);
    assert.equal(line.asked.length, 2);
  });

  it('is removed, with its size', async () => {
    await visit();
    await seen.page.getByRole('button', { name: /^Remove model \(\d+ kB\)$/ }).click();
    await seen.page.getByText(/is removed: \d+ kB are free again/).waitFor();
    assert.equal(await seen.page.locator('[data-kept]').count(), 0);
    await load().click();
    await ready();
    assert.deepEqual(line.asked, [0, 200_000, 0]);
    await seen.page.getByTitle(/change the model/).click();
    await seen.page.getByRole('button', { name: /^Remove model/ }).click();
    await seen.page.getByText(/are free again/).waitFor();
  });

  it('runs from memory where there is no room, and says so', async () => {
    const session = await seen.context.newCDPSession(seen.page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: line.origin, quotaSize: 100_000 });
    await visit();
    await load().click();
    await ready();
    await seen.page.locator('[data-notice="The model runs from memory"]').waitFor();
    assert.equal(await seen.page.locator('[data-kept]').count(), 0);
    await session.send('Storage.overrideQuotaForOrigin', { origin: line.origin });
  });

  it('is downloaded every time where nothing can be kept, without a word', async () => {
    const { page, context } = await openPage(browser, line.origin);
    // In the worker too, which is where it is kept.
    await context.route('**/worker-*.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `delete StorageManager.prototype.getDirectory;${await response.text()}` });
    });
    await page.addInitScript(() => delete StorageManager.prototype.getDirectory);
    for (const _ of [1, 2]) {
      const before = line.asked.length;
      await page.goto(url);
      await page.getByRole('button', { name: /^Load Smol.*\)$/ }).click();
      await page.getByText(/^2 layers/).waitFor();
      assert.equal(line.asked.length, before + 1);
      assert.equal(await page.locator('[data-notice^="The model"]').count(), 0);
    }
    await context.close();
  });

  it('has logged no error but the connection that ended, and asked nobody else', () => {
    const others = seen.errors.filter((error) => !error.includes('Failed to load resource'));
    assert.deepEqual([others, seen.foreign], [[], []]);
  });
});
