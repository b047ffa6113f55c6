/** What a visitor does on the page, for tests that need it done. */

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
