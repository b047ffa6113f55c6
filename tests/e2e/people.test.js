import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { broken, TARGET, tooSmall, tooWide } from './rules.js';
import { SKIP_BROWSER, site } from './site.js';
import { enter, STATES, settle } from './states.js';

describe('the page for everybody', {
  skip: SKIP_BROWSER,
  timeout: 300_000,
}, () => {
  const built = site();

  async function visit(options) {
    const seen = await built.visit('', { reducedMotion: 'reduce', ...options });
    await settle(seen.page);
    return seen;
  }

  for (const colorScheme of ['light', 'dark']) {
    for (const [name] of STATES) {
      it(`breaks no rule of axe: ${name}, ${colorScheme}`, async () => {
        const { page, context, errors } = await visit({ colorScheme });
        await enter(page, name);
        assert.deepEqual(await broken(page), []);
        assert.deepEqual(errors, []);
        await context.close();
      });
    }
  }

  it('has a name for every picture', async () => {
    const { page, context } = await visit();
    for (const name of ['held', 'opened']) await enter(page, name);
    assert.ok((await page.locator('canvas').count()) > 4);
    // axe takes a bare canvas for nothing at all. One inside a named picture is a part of it.
    const bare = await page
      .locator('canvas')
      .evaluateAll((all) =>
        all.filter((c) => !c.closest('[aria-hidden="true"], [role="img"][aria-label]')).map((c) => c.outerHTML),
      );
    assert.deepEqual(bare, []);
    await context.close();
  });

  for (const [name] of STATES) {
    it(`fits 320 pixels, with room for a finger: ${name}`, async () => {
      const { page, context } = await visit({ viewport: { width: 320, height: 640 }, hasTouch: true });
      await enter(page, name);
      // A blank page would fit.
      assert.ok((await page.locator('button:visible').count()) > 10);
      assert.deepEqual(await page.evaluate(tooWide), []);
      assert.deepEqual(await page.evaluate(tooSmall, TARGET), []);
      await context.close();
    });
  }

  it('shows the recorded run at its end, still, to who wants no motion', async () => {
    const { page, context } = await visit();
    const slider = page.getByRole('slider', { name: 'Token', exact: true });
    const last = await slider.getAttribute('max');
    assert.ok(Number(last) > 0);
    for (let look = 0; look < 3; look++) {
      assert.equal(await slider.inputValue(), last);
      assert.equal(await page.getByRole('button', { name: 'Play', exact: true }).isVisible(), true);
      await page.waitForTimeout(200);
    }
    const moving = await page.evaluate(() => document.getAnimations().length);
    assert.equal(moving, 0);
    // Who asks for it gets it.
    await page.getByRole('button', { name: 'Play', exact: true }).click();
    await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
    await context.close();
  });

  it('keeps what is pressed and what a colour means where the system chooses the colours', async () => {
    const { page, context } = await visit({ forcedColors: 'active' });
    const look = (selector) =>
      page
        .locator(selector)
        .first()
        .evaluate((e) => {
          const { borderTopColor, backgroundColor, borderTopStyle } = getComputedStyle(e);
          return { border: borderTopColor, ground: backgroundColor, style: borderTopStyle };
        });
    const on = await look('.modes button[aria-pressed="true"]');
    const off = await look('.modes button[aria-pressed="false"]');
    assert.equal(on.style, 'solid');
    assert.notDeepEqual(on, off);
    const swatches = await page
      .locator('.legend i')
      .evaluateAll((all) => new Set(all.map((i) => getComputedStyle(i).backgroundColor)).size);
    assert.ok(swatches > 1);
    assert.equal(swatches, await page.locator('.legend i').count());
    await context.close();
  });
});
