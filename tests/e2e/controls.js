/** What a visitor does on the page, for tests that need it done. */
import { readFileSync } from 'node:fs';

const LONG = 120_000;

/** @param {import('playwright-core').Page} page */
export async function loadModel(page) {
  await page.getByRole('button', { name: /^Load .*MB\)$/ }).click();
  await page.getByText(/^30 layers/).waitFor({ timeout: LONG });
}

/**
 * Presses exactly the chips of these methods.
 * @param {import('playwright-core').Page} page
 * @param {readonly string[]} methods
 */
export async function choose(page, methods) {
  await page.locator('[data-method="full"]').waitFor();
  for (const chip of await page.locator('[data-method]').all()) {
    const on = (await chip.getAttribute('aria-pressed')) === 'true';
    if (on !== methods.includes((await chip.getAttribute('data-method')) ?? '')) await chip.click();
  }
}

/**
 * The methods whose chips are pressed.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<string[]>}
 */
export function chosen(page) {
  return page
    .locator('[data-method][aria-pressed="true"]')
    .evaluateAll((chips) => chips.map((chip) => chip.dataset.method));
}

/**
 * Moves the budget slider as its own event would.
 * @param {import('playwright-core').Page} page
 * @param {number} tokens
 */
export async function setBudget(page, tokens) {
  await page.locator('#budget').evaluate((slider, value) => {
    slider.value = String(value);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }, Math.log2(tokens));
}

/**
 * Writes a value into the field of a parameter, which must be in view.
 * @param {import('playwright-core').Page} page
 */
export async function setParam(page, method, name, value) {
  const field = page.locator(`#${method}-${name}`);
  await field.fill(String(value));
  await field.blur();
}

/**
 * Sets up a run of a text of the test's own, as it is and not as a chat message.
 * @param {import('playwright-core').Page} page
 * @param {{ methods: readonly string[], budget?: number, own?: boolean, text: string, tokens: number }} what with `own`
 * every method writes its own tokens
 */
export async function fillIn(page, { methods, budget, own = false, text, tokens }) {
  await choose(page, methods);
  if (budget) await setBudget(page, budget);
  const chat = page.getByLabel('as a chat message');
  // Without a template there is nothing to choose.
  if (await chat.isEnabled()) await chat.uncheck();
  if (own) await page.getByLabel('each writes its own').check();
  await page.getByLabel('Text of the prompt').fill(text);
  await page.getByLabel('Tokens to generate').fill(String(tokens));
}

/**
 * Runs what is set, to its end.
 * @param {import('playwright-core').Page} page
 */
export async function run(page) {
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await finished(page);
}

/**
 * Waits for the end of what was just begun.
 * @param {import('playwright-core').Page} page
 */
export async function finished(page) {
  // The end of what ran before is gone once something runs.
  await page
    .getByRole('button', { name: 'Stop', exact: true })
    .waitFor({ timeout: 5000 })
    .catch(() => undefined);
  await page.getByText('· finished').waitFor({ timeout: 2 * LONG });
}

/**
 * The line in words under a map.
 * @param {import('playwright-core').Page} page
 * @param {string} method
 */
export async function verdictOf(page, method) {
  return (await page.locator(`[data-verdict="${method}"]`).textContent()) ?? '';
}

/**
 * Clicks into a map, at a part of its width and of its height.
 * @param {import('playwright-core').Page} page
 * @param {string} method
 * @param {number} x
 * @param {number} y
 */
export async function clickMap(page, method, x, y) {
  const map = page.locator(`[data-map="${method}"]`);
  // The mouse reaches what is in the window.
  await map.scrollIntoViewIfNeeded();
  const box = await map.boundingBox();
  if (!box) throw new Error(`no map of ${method}`);
  // A row is one pixel high and a click has whole ones, so the first of the row is meant.
  await page.mouse.click(box.x + box.width * x, Math.ceil(box.y + box.height * y));
}

/**
 * The file that a way of the export menu gives.
 * @param {import('playwright-core').Page} page
 * @param {RegExp} kind what its button says
 */
export async function exported(page, kind) {
  await page.locator('summary', { hasText: 'Export' }).click();
  const waiting = page.waitForEvent('download');
  await page.getByRole('button', { name: kind }).click();
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/**
 * Opens a trace file, and waits until it is shown.
 * @param {import('playwright-core').Page} page
 * @param {{ name: string, bytes: Buffer }} file
 */
export async function openTrace(page, { name, bytes }) {
  await page.locator('[data-recorded="bundled"]').waitFor();
  await page.getByLabel('File to open').setInputFiles({ name, mimeType: '', buffer: bytes });
  await page.locator(`[data-recorded="${name}"]`).waitFor();
}

/**
 * Waits until a check holds: tries for five seconds, then fails as it does.
 * @template T
 * @param {() => T | Promise<T>} check
 */
export async function soon(check) {
  const until = Date.now() + 5000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
