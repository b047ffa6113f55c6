/**
 * Photographs every state of the page, wide and narrow, light and dark, into `artifacts/screenshots`, for people to
 * look at. With `ATTNSCOPE_MODEL` every method of the registry is run and photographed too.
 * With `--docs` only the pictures of the README are made, into `docs`.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.js';
import { choose, loadModel, run } from './controls.js';
import { serve } from './server.js';
import { enter, STATES, settle } from './states.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME, ATTNSCOPE_MODEL } = process.env;
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 360, height: 740 } };
const FOLDER = at('../../artifacts/screenshots');
const MODEL_BYTES = '98362432';
const SCHEMES = ['light', 'dark'];

if (!CHROME) throw new Error('CHROME is not set: the path of a Chromium');
mkdirSync(FOLDER, { recursive: true });
const server = await serve(at('../../www/dist'), ATTNSCOPE_MODEL ?? at('../../www/index.html'));
const browser = await launch(CHROME);

async function visit(size, colorScheme, more) {
  const options = { viewport: SIZES[size], colorScheme, reducedMotion: 'reduce', ...more };
  const { page, context } = await openPage(browser, server.origin, options);
  // Without a model there is one on offer all the same, as on the page that people visit.
  const headers = { 'content-length': MODEL_BYTES, 'content-type': 'application/octet-stream' };
  if (!ATTNSCOPE_MODEL) await page.route('**/*.gguf', (route) => route.fulfill({ headers }));
  await page.goto(server.url);
  await settle(page);
  return { page, context };
}

async function everyState() {
  for (const size of Object.keys(SIZES)) {
    for (const scheme of SCHEMES) {
      for (const [name, enterState] of STATES) {
        const { page, context } = await visit(size, scheme);
        await enterState(page);
        // A dialog or a menu belongs to the window; of the rest the whole page is looked at.
        const fullPage = !['keys', 'export'].includes(name);
        await photograph(page, `${FOLDER}/${name}-${size}-${scheme}.png`, fullPage);
        await context.close();
      }
    }
  }
}

async function everyMethod() {
  if (!ATTNSCOPE_MODEL) {
    console.log('The methods were not photographed: ATTNSCOPE_MODEL is not set.');
    return;
  }
  const { page, context } = await visit('desktop', 'light');
  const names = await page.locator('[data-method]').evaluateAll((all) => all.map((chip) => chip.dataset.method ?? ''));
  await loadModel(page);
  // A text that is longer than a budget: with a short one all methods look alike.
  await page.getByLabel('Prompt', { exact: true }).selectOption('needle-600');
  for (const name of names) {
    await choose(page, [...new Set(['full', name])]);
    await run(page);
    const field = page.locator('.field:visible').last();
    await field.focus();
    for (const key of ['PageDown', 'PageDown', 'Enter']) await field.press(key);
    await photograph(page, `${FOLDER}/method-${name}.png`, true);
    await page.keyboard.press('Escape');
  }
  await context.close();
}

/** What the README shows: a cell held by day, a difference by night, and a phone. */
async function docs() {
  for (const [file, state, scheme] of [
    ['page', 'held', 'light'],
    ['page-dark', 'difference', 'dark'],
  ]) {
    const { page, context } = await visit('desktop', scheme, { viewport: { width: 1440, height: 1230 } });
    await enter(page, state);
    await page.evaluate(() => scrollTo(0, 0));
    await photograph(page, at(`../../docs/${file}.png`));
    await context.close();
  }
  const { page, context } = await visit('phone', 'light', { deviceScaleFactor: 2 });
  await page.locator('.tabs button', { hasText: 'SCOPE' }).click();
  await page.locator('.legend').evaluate((legend) => legend.scrollIntoView({ block: 'start' }));
  await photograph(page, at('../../docs/page-phone.png'));
  await context.close();
}

async function photograph(page, path, fullPage = false) {
  // A map is drawn in the frame after.
  await page.waitForTimeout(200);
  await page.screenshot({ path, fullPage });
}

try {
  if (process.argv.includes('--docs')) await docs();
  else {
    await everyState();
    await everyMethod();
  }
} finally {
  await browser.close();
  server.close();
}
