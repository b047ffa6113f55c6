/**
 * What a visitor can bring the page into with the recorded run alone: a name, and how to get there from the first
 * paint. Those who look at all of it, by rules or by eye, look at the same.
 * @type {[name: string, enter: (page: import('playwright-core').Page) => Promise<unknown>][]}
 */
export const STATES = [
  ['recorded', async () => undefined],
  ['held', hold],
  [
    'pinned',
    async (page) => {
      await hold(page);
      await page.getByRole('button', { name: 'Pin this cell' }).click();
    },
  ],
  ['storage', (page) => page.getByRole('button', { name: 'Storage', exact: true }).click()],
  ['weights', (page) => page.getByRole('button', { name: 'Weights', exact: true }).click()],
  ['difference', (page) => page.getByRole('button', { name: /^Difference to/ }).click()],
  ['keys', (page) => page.getByRole('button', { name: 'keys' }).click()],
  ['export', (page) => page.locator('summary', { hasText: 'Export' }).click()],
  ['opened', unfold],
  ['pads', pads],
  [
    'refused',
    async (page) => {
      const buffer = Buffer.from('<!doctype html>');
      await page.getByLabel('File to open').setInputFiles({ name: 'page.attn', mimeType: '', buffer });
      await page.locator('[data-code="trace"]').waitFor();
    },
  ],
];

/**
 * Brings a page from the first paint into the state of this name.
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
export function enter(page, name) {
  const state = STATES.find(([known]) => known === name);
  if (!state) throw new Error(`no state ${name}`);
  return state[1](page);
}

/**
 * The first paint, with nothing on its way: engine started, article there, the recorded run at its end.
 * @param {import('playwright-core').Page} page one with `prefers-reduced-motion`, so that nothing plays
 */
export async function settle(page) {
  await page.locator('[data-recorded="bundled"]').waitFor();
  await page.locator('[data-method="full"]').waitFor();
  await page.getByRole('button', { name: 'Use its settings' }).waitFor();
  await page.locator('[data-article]').first().waitFor({ state: 'attached' });
  await page.waitForFunction(() => document.querySelector('canvas[data-map]')?.width > 1);
}

/** Holds a cell with the keyboard, which works at every width. */
async function hold(page) {
  const field = page.locator('.field:visible').last();
  await field.focus();
  for (const key of ['PageDown', 'PageDown', 'ArrowDown', 'Shift+ArrowRight', 'Enter']) await field.press(key);
  await page.locator('[data-mask]').waitFor();
}

/** The drawing pads, three of them with samples and one empty. */
async function pads(page) {
  await page.getByLabel('Prompt', { exact: true }).selectOption('pictures');
  await page.getByRole('button', { name: 'Sample digits' }).click();
  await page.getByRole('button', { name: 'Picture B: clear' }).click();
  await page.locator('.pads summary').click();
}

/** Opens everything that folds: parameters, advice, the guard, the address, the article's sections. */
async function unfold(page) {
  const folded = page.locator('main details:not([open]) > summary:visible');
  // What was hidden in one may fold itself.
  while ((await folded.count()) > 0) await folded.first().click();
}
