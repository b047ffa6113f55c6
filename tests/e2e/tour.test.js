import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.js';
import { serve } from './server.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const STEPS = ['map', 'colours', 'verdict', 'timeline', 'inspector', 'head', 'budget', 'run'];
/** What each points at. */
const TARGETS = {
  ...{ map: 'canvas[data-map]', colours: '.legend', verdict: '[data-verdict]', timeline: '#timeline' },
  ...{ inspector: 'aside dl', head: 'canvas[data-mask]', budget: '#budget', run: 'section.start' },
};
const SCREENS = {
  'a desktop': {},
  'a desktop in the dark': { colorScheme: 'dark' },
  'a phone': { viewport: { width: 360, height: 640 }, hasTouch: true },
  'a phone in Korean': { viewport: { width: 360, height: 640 }, hasTouch: true, locale: 'ko-KR' },
};

describe('the tour', {
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

  async function visit(options, query = '') {
    const seen = await openPage(browser, server.origin, options);
    await seen.page.goto(server.url + query);
    await seen.page.locator('[data-recorded="bundled"]').waitFor({ state: 'attached' });
    await seen.page.locator('[data-method="full"]').waitFor({ state: 'attached' });
    return seen;
  }
  const start = async (page) => {
    await page.getByRole('button', { name: /^(Tour|둘러보기)$/ }).focus();
    await page.keyboard.press('Enter');
  };
  const step = (page, name) => page.locator(`dialog[open][data-tour="${name}"]`).waitFor();

  for (const [screen, options] of Object.entries(SCREENS)) {
    it(`points at what is seen in every step, with the keyboard, on ${screen}`, async () => {
      const { page, context, errors, foreign } = await visit({ reducedMotion: 'reduce', ...options });
      await start(page);
      const titles = new Set();
      for (const [i, name] of STEPS.entries()) {
        await step(page, name);
        await page.waitForFunction(points, TARGETS[name], { timeout: 5000 });
        titles.add(await page.locator('#tour-title').textContent());
        assert.match(
          await page.locator('dialog[data-tour] .row span').first().textContent(),
          new RegExp(`^${i + 1} (of|/) 8$`),
        );
        assert.equal(await page.evaluate(() => document.activeElement?.className.includes('primary')), true);
        assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
        if (name === 'inspector') assert.deepEqual(await broken(page), []);
        if (i < STEPS.length - 1) await page.keyboard.press('ArrowRight');
      }
      assert.equal(titles.size, STEPS.length);
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowLeft');
      await step(page, 'budget');
      await page.keyboard.press('Enter');
      await step(page, 'run');
      await page.keyboard.press('Enter');
      await ended(page);
      assert.equal(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        0,
      );
      assert.deepEqual([errors, foreign], [[], []]);
      await context.close();
    });
  }

  it('ends with Escape, gives the focus back, and frees the cell that it held', async () => {
    const { page, context } = await visit({ reducedMotion: 'reduce' });
    await start(page);
    for (const name of STEPS.slice(0, 4)) {
      await step(page, name);
      await page.keyboard.press('ArrowRight');
    }
    await step(page, 'inspector');
    assert.equal(await page.locator('aside dl').count(), 1);
    await page.keyboard.press('Escape');
    await ended(page);
    assert.equal(await page.locator('aside dl').count(), 0);
    await context.close();
  });

  it('stops what plays, and leaves out what a lecturer hides', async () => {
    const { page, context } = await visit({}, '?hide=legend,inspector,settings,model');
    await start(page);
    for (const name of ['map', 'verdict', 'timeline', 'run']) {
      await step(page, name);
      await page.keyboard.press('ArrowRight');
    }
    await page.getByRole('button', { name: 'Play', exact: true, includeHidden: true }).waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await ended(page);
    await context.close();
  });
});

async function ended(page) {
  await page.locator('dialog[data-tour]').waitFor({ state: 'detached' });
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /^(Tour|둘러보기)$/);
}

/** Whether the ring is about an element that is on screen and not wholly under the box. Runs in the page. */
function points(selector) {
  const element = [...document.querySelectorAll(selector)].find((e) => e.checkVisibility());
  const ring = document.querySelector('dialog[data-tour] .ring')?.getBoundingClientRect();
  const box = document.querySelector('dialog[data-tour] .box')?.getBoundingClientRect();
  if (!element || !ring || !box) return false;
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const onScreen = (r) => r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight;
  const inRing = left < ring.right && right > ring.left && top < ring.bottom && bottom > ring.top;
  const seen = top < innerHeight && bottom > 0 && (box.top > top || box.bottom < bottom);
  return onScreen(box) && onScreen(ring) && inRing && seen;
}

/** What axe finds, a line for each rule and element. */
async function broken(page) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 5, `only ${passes.length} rules had something to look at`);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`));
}
