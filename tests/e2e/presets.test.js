import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { readTraceFile } from 'attnscope/trace';
import { readMap, readTrace } from './canvas.js';
import { choose, finished, loadModel, run, setBudget, soon, verdictOf } from './controls.js';
import { replay } from './replay.js';
import { retell } from './retell.js';
import { MODEL, SKIP, site, staysQuiet } from './site.js';

const TOKENS = 4;
/** The budget of presets that have none of their own: their texts are short. */
const BUDGET = 16;

describe('every preset with every method, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  /** Two runs for each preset, each with half of the methods beside full attention. */
  let halves;
  before(async () => {
    // Twice the pixels and one map at a time, so that every position has a column of its own.
    seen = await built.visit('?test', { deviceScaleFactor: 2 });
    page = seen.page;
    await loadModel(page);
    const all = await page.locator('[data-method]').evaluateAll((chips) => chips.map((chip) => chip.dataset.method));
    assert.ok(all.length > 20, `${all}`);
    const others = all.filter((name) => name !== 'full');
    const middle = others.length >> 1;
    await page
      .getByRole('button', { name: /: all the room$/ })
      .first()
      .click();
    halves = [others.slice(0, middle), others.slice(middle)].map((half) => ['full', ...half]);
  });

  const button = (name) => page.getByRole('button', { name, exact: true });

  for (const { preset, budget, lines, turns = 0 } of [
    { preset: 'question', budget: BUDGET },
    { preset: 'needle-600', lines: 12 },
    { preset: 'needle-1200', lines: 6 },
    { preset: 'conversation', budget: BUDGET, turns: 3 },
    { preset: 'story', budget: BUDGET },
    { preset: 'pictures', budget: 80 },
  ]) {
    it(`${preset}: nothing fails, and what is drawn and said is what the trace says`, async (t) => {
      const heard = new Set();
      for (const methods of halves) {
        await page.getByLabel('Prompt', { exact: true }).selectOption(preset);
        // After the preset, for one brings methods.
        await choose(page, methods);
        if (budget) await setBudget(page, budget);
        if (lines) await shorten(lines);
        if (preset === 'pictures') await page.getByRole('button', { name: 'Sample digits' }).click();
        await page.getByLabel('Tokens to generate').fill(String(TOKENS));
        await run(page);
        assert.deepEqual(await page.locator('[role="alert"]').allTextContents(), []);
        const file = await exported();
        assert.deepEqual(Object.keys(file.traces), methods);
        for (const [method, steps] of Object.entries(file.traces)) heard.add(await right(file.info, method, steps));
        for (let turn = 0; turn < turns; turn++) {
          await button('Send this').click();
          await finished(page);
        }
        assert.deepEqual(await page.locator('[role="alert"]').allTextContents(), []);
        // A file has no place for further messages.
        const { info, traces } = await readTrace(page);
        if (turns > 0) for (const { method, steps } of traces) heard.add(await right(info, method, steps));
      }
      t.diagnostic(`${heard.size} different verdicts`);
      // Methods with the same budget may do the same, but not all of them.
      assert.ok(heard.size > 9, [...heard].join('\n'));
    });
  }

  /** Leaves so many lines of a text that would take every method minutes: the first, and the last, which asks. */
  async function shorten(lines) {
    const text = page.getByLabel('Text of the prompt');
    const all = (await text.inputValue()).split('\n');
    assert.ok(all.length > lines);
    await text.fill([...all.slice(0, lines - 2), ...all.slice(-2)].join('\n'));
  }

  /** What a trace file says, by method. */
  async function exported() {
    await page.locator('summary', { hasText: 'Export' }).click();
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: /^Trace file/ }).click();
    const file = await readTraceFile(readFileSync(await (await waiting).path()));
    const steps = ({ history }) => Promise.all(history.steps.map((_, step) => history.block(step)));
    const traces = await Promise.all(file.tracks.map(async (track) => [track.method, await steps(track)]));
    return { info: file.model, traces: Object.fromEntries(traces) };
  }

  /** Compares the maps and the line of a method with its trace; gives that line. */
  async function right(info, method, steps) {
    const told = replay(info, steps);
    const { span } = await page.evaluate(() => window.__attnscope.state());
    for (const mode of ['reads', 'storage', 'weights']) {
      await button({ reads: 'Reads', storage: 'Storage', weights: 'Weights' }[mode]).click();
      const heads = mode === 'storage' ? info.kvHeads : info.queryHeads;
      await soon(async () => {
        const { width, height, cells } = await readMap(page, method);
        assert.deepEqual([width, height], [span, info.layers * heads], method);
        const wrong = cells.flatMap((state, i) => {
          const [row, position] = [Math.floor(i / width), i % width];
          const want = told[mode](Math.floor(row / heads), row % heads, position);
          return state === want ? [] : [`${method} ${mode} row ${row} position ${position}: ${state}, not ${want}`];
        });
        assert.deepEqual(wrong.slice(0, 5), []);
      });
    }
    const line = await verdictOf(page, method);
    assert.equal(line, retell(info, steps), method);
    return line;
  }

  staysQuiet(() => seen);
});
