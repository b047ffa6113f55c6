import assert from 'node:assert/strict';
import { readMap } from './canvas.js';
import { exported, openTrace, soon, verdictOf } from './controls.js';

/**
 * Saves the run of a page as a trace file and opens it in a visit without a model, which must show the same: texts and
 * messages, and at the given steps and the newest the maps, lines, hosts and sums.
 * @param {{ visit: (query: string) => Promise<{ page: import('playwright-core').Page, context: any, errors: string[] }> }} built
 * @param {import('playwright-core').Page} page
 * @param {{ methods: readonly string[], steps: readonly number[] }} what
 * @param {(other: import('playwright-core').Page) => Promise<void>} [more] what else must hold of the one that was opened
 */
export async function opensAgain(built, page, { methods, steps }, more) {
  const { page: other, context, errors } = await built.visit('?test');
  await openTrace(other, await exported(page, /^Trace file/));
  for (const step of [...steps, null]) {
    await seek(page, step);
    await seek(other, step);
    await soon(async () => {
      assert.deepEqual(await stateOf(other), await stateOf(page));
      for (const method of methods) {
        assert.deepEqual(await readMap(other, method), await readMap(page, method), `${method} at ${step}`);
        assert.equal(await verdictOf(other, method), await verdictOf(page, method));
        assert.deepEqual(await textsOf(other, method), await textsOf(page, method));
      }
    });
  }
  const numbers = await Promise.all([page, other].map((of) => exported(of, /^Numbers of every step/)));
  assert.equal(numbers[1].bytes.toString(), numbers[0].bytes.toString());
  await more?.(other);
  assert.deepEqual(errors, []);
  await context.close();
}

const stateOf = (page) => page.evaluate(() => window.__attnscope.state());

/** To a step, or with null to the newest. */
async function seek(page, step) {
  if (step === null) await page.getByRole('button', { name: /^(Live|End)$/ }).click();
  else await page.getByRole('slider', { name: 'Token', exact: true }).fill(String(step));
}

/** What a method wrote, what it was told meanwhile, and what stands under its map. */
async function textsOf(page, method) {
  const stream = page.locator(`[data-stream="${method}"]`);
  const strips = await page.locator(`[data-strip="${method}"]`).all();
  return {
    text: (await stream.textContent())?.trim(),
    messages: await stream.locator('q').allTextContents(),
    strips: await Promise.all(strips.map((strip) => strip.getAttribute('aria-label'))),
  };
}
