/** What every state of the page keeps to, for everybody. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Pixels a finger needs. */
export const TARGET = 24;

/** What axe finds, a line for each rule and element. */
export async function broken(page) {
  // Evaluated by the browser's own tools, it runs under the policy of the page and not in spite of it.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 5, `only ${passes.length} rules had something to look at`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, any, all, none }) => `${id}: ${target} ${[...any, ...all, ...none][0]?.message ?? ''}`),
  );
}

/** Elements beyond the right edge that no box of their own scrolls to. Runs in the page. */
export function tooWide() {
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
export function tooSmall(least) {
  return [...document.querySelectorAll('button, summary, select, input, textarea, [role="slider"]')]
    .filter((e) => e.checkVisibility() && !e.matches('.sr'))
    .flatMap((e) => {
      // The words of a box or a dot are pressed with it.
      const { width, height } = (e.closest('label') ?? e).getBoundingClientRect();
      return width < least || height < least ? [`${width} x ${height}: ${e.outerHTML.slice(0, 120)}`] : [];
    });
}
