import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.js';
import { serve } from './server.js';
import { STATES, settle } from './states.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Pixels a finger needs. */
const TARGET = 24;

describe('the page for everybody', {
  skip: CHROME ? false : 'not run: CHROME not set',
  timeout: 300_000,
}, () => {
  let server;
  let browser;
  before(async () => {
    // Any file will do as one that must not be fetched.
    server = await serve(at('../../www/dist'), at('../../www/index.html'));
    browser = await launch(CHROME);
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  async function visit(options) {
    const seen = await openPage(browser, server.origin, { reducedMotion: 'reduce', ...options });
    await settle(seen.page, server.url);
    return seen;
  }

  for (const colorScheme of ['light', 'dark']) {
    for (const [name, enter] of STATES) {
      it(`breaks no rule of axe: ${name}, ${colorScheme}`, async () => {
        const { page, context, errors } = await visit({ colorScheme });
        await enter(page);
        assert.deepEqual(await broken(page), []);
        assert.deepEqual(errors, []);
        await context.close();
      });
    }
  }

  it('has a name for every picture', async () => {
    const { page, context } = await visit();
    for (const [, enter] of STATES.filter(([name]) => ['held', 'opened'].includes(name))) await enter(page);
    // axe takes a bare canvas for nothing at all. One inside a named picture is a part of it.
    const bare = await page
      .locator('canvas')
      .evaluateAll((all) =>
        all.filter((c) => !c.closest('[aria-hidden="true"], [role="img"][aria-label]')).map((c) => c.outerHTML),
      );
    assert.deepEqual(bare, []);
    await context.close();
  });

  for (const [name, enter] of STATES) {
    it(`fits 320 pixels, with room for a finger: ${name}`, async () => {
      const { page, context } = await visit({ viewport: { width: 320, height: 640 }, hasTouch: true });
      await enter(page);
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
      await page.getByRole('button', { name: 'Play', exact: true }).waitFor({ timeout: 100 });
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
    assert.equal(swatches, await page.locator('.legend i').count());
    await context.close();
  });
});

/** What axe finds, a line for each rule and element. */
async function broken(page) {
  // Evaluated by the browser's own tools, it runs under the policy of the page and not in spite of it.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 5, `only ${passes.length} rules had something to look at`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, any, all, none }) => `${id}: ${target} ${[...any, ...all, ...none][0]?.message ?? ''}`),
  );
}

/** Elements beyond the right edge that no box of their own scrolls to. Runs in the page. */
function tooWide() {
  const wide = document.documentElement.clientWidth;
  const held = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflowX !== 'visible') return true;
    }
    return false;
  };
  const out = [...document.body.querySelectorAll('*')]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > wide + 0.5 && !held(e))
    .map((e) => e.outerHTML.slice(0, 120));
  // What scrolls by itself is a table, a line of choices, or a text.
  const scrolls = [...document.body.querySelectorAll('*')]
    .filter((e) => e.scrollWidth > e.clientWidth && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .filter((e) => e.clientWidth > 0 && !e.matches('.tabs, [data-stream], textarea') && !e.querySelector('table'))
    .map((e) => `scrolls: ${e.outerHTML.slice(0, 120)}`);
  const page = document.documentElement.scrollWidth - wide;
  return [...out, ...scrolls, ...(page > 0 ? [`the page, by ${page}`] : [])];
}

/** Controls with less room than a finger needs. A link in a line of text is as high as the line. Runs in the page. */
function tooSmall(least) {
  return [...document.querySelectorAll('button, summary, select, input, textarea, [role="slider"]')]
    .filter((e) => e.checkVisibility() && !e.matches('.sr'))
    .flatMap((e) => {
      // The words of a box or a dot are pressed with it.
      const { width, height } = (e.closest('label') ?? e).getBoundingClientRect();
      return width < least || height < least ? [`${width} x ${height}: ${e.outerHTML.slice(0, 120)}`] : [];
    });
}
