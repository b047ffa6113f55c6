import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { open } from 'attnscope';
import { readMap, readTrace } from './canvas.js';
import { choose, chosen, clickMap, fillIn, loadModel, run, setBudget, soon, verdictOf } from './controls.js';
import { replay } from './replay.js';
import { at, MODEL, SKIP, site, staysQuiet } from './site.js';

const METHODS = ['full', 'h2o', 'tidal_decode'];
const LONG = 120_000;

describe('the page with a real model', {
  skip: SKIP,
  timeout: 600_000,
}, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
  });

  const shot = (name) => page.screenshot({ path: at(`../../artifacts/${name}.png`), fullPage: true });
  const button = (name) => page.getByRole('button', { name, exact: true });

  it('offers the methods and says what is missing before anything is loaded', async () => {
    await page.locator('[data-method="full"]').waitFor();
    assert.equal(await button('Run').isDisabled(), true);
    await page.getByText('Load a model first.').waitFor();
    await shot('first');
  });

  it('has a control with unit and help for every parameter of the registry', async () => {
    const { methods } = await open();
    assert.deepEqual(
      await page.locator('[data-method]').evaluateAll((chips) => chips.map((chip) => chip.dataset.method)),
      methods.map(({ name }) => name),
    );
    const before = await chosen(page);
    await choose(
      page,
      methods.map(({ name }) => name),
    );
    const kinds = { int: 'text', float: 'text', list: 'text', bool: 'checkbox', choice: 'select-one' };
    for (const { name: method, params } of methods) {
      for (const { name, kind, help, unit, choices } of params) {
        const control = page.locator(`#${method}-${name}`);
        assert.equal(await control.evaluate((element) => element.type), kinds[kind], `${method}.${name} is a ${kind}`);
        const row = await page.locator('.row', { has: control }).textContent();
        assert.ok(row?.includes(help) && row.includes(unit), `${method}.${name}: ${row}`);
        if (choices) assert.equal(await control.locator('option').count(), choices.length);
      }
    }
    await choose(page, before);
  });

  it('refuses a file that is no model, and keeps the prompt', async () => {
    await page.getByLabel('Text of the prompt').fill('The lighthouse keeper found');
    const buffer = Buffer.from('<!doctype html><p>not a model');
    await page.getByLabel('Model file').setInputFiles({ name: 'wrong.gguf', mimeType: 'text/html', buffer });
    const banner = page.locator('[data-code="not_gguf"]');
    await banner.waitFor();
    await shot('wrong-file');
    await banner.getByLabel('Close this message').click();
    assert.equal(await page.getByLabel('Text of the prompt').inputValue(), 'The lighthouse keeper found');
  });

  it('refuses a file that was cut short', async () => {
    const start = Buffer.alloc(1 << 20);
    const file = openSync(MODEL, 'r');
    readSync(file, start);
    closeSync(file);
    await page.getByLabel('Model file').setInputFiles({ name: 'cut.gguf', mimeType: '', buffer: start });
    const banner = page.locator('[data-code="truncated"]');
    await banner.waitFor();
    await banner.getByLabel('Close this message').click();
  });

  it('loads the model on a tap that shows its size', async () => {
    const load = page.getByRole('button', { name: /^Load .*MB\)$/ });
    await load.click();
    await button('Cancel').click();
    await loadModel(page);
    await load.waitFor({ state: 'detached' });
  });

  it('keeps the recorded run and its label when a run is refused', async () => {
    await page.getByLabel('Text of the prompt').fill('one two three four '.repeat(2200));
    await button('Run').click();
    const banner = page.locator('[data-code="context"]');
    await banner.waitFor({ timeout: LONG });
    await page.locator('[data-recorded="bundled"]').waitFor();
    assert.ok((await page.locator('canvas[data-map]').count()) > 1);
    await banner.getByLabel('Close this message').click();
  });

  it('draws exactly what the trace says', async () => {
    const text = 'One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve,';
    await fillIn(page, { methods: METHODS, budget: 16, text, tokens: 12 });
    await run(page);
    const { info, traces } = await readTrace(page);
    assert.deepEqual(traces.map((t) => t.method).sort(), [...METHODS].sort());
    for (const { method, steps } of traces) {
      const told = replay(info, steps);
      for (const mode of ['reads', 'storage', 'weights']) {
        await button({ reads: 'Reads', storage: 'Storage', weights: 'Weights' }[mode]).click();
        const heads = mode === 'storage' ? info.kvHeads : info.queryHeads;
        await soon(async () => {
          const { width, height, cells } = await readMap(page, method);
          assert.equal(height, info.layers * heads);
          assert.ok(width >= told.length, `${width} columns for ${told.length} positions`);
          const wrong = cells.flatMap((state, i) => {
            const [row, position] = [Math.floor(i / width), i % width];
            const want = told[mode](Math.floor(row / heads), row % heads, position);
            return state === want ? [] : [`${method} ${mode} row ${row} position ${position}: ${state}, not ${want}`];
          });
          assert.deepEqual(wrong.slice(0, 5), []);
        });
      }
      assert.match(await verdictOf(page, method), told.evictedRows > 0 ? /dropped in/ : /Keeps everything/);
    }
    await button('Reads').click();
  });

  it('says the weight of the held cell', async () => {
    const { info, traces } = await readTrace(page);
    const told = replay(info, traces.find(({ method }) => method === 'full').steps);
    const field = page.locator('.field', { has: page.locator('[data-map="full"]') });
    await field.focus();
    // The first position of the first layer's first head, then other heads: many look at the first token.
    for (const key of ['ArrowRight', 'Home', 'Enter']) await field.press(key);
    const inspector = page.locator('[aria-label="Inspector"]');
    const line = async (name) => (await inspector.locator(`dt:text-is("${name}") + dd`).textContent()) ?? '';
    const said = new Set();
    for (let head = 0; head < info.queryHeads; head++) {
      const [layer, shown] = (await line('layer · query head')).match(/\d+/g).map(Number);
      const position = Number(await line('position'));
      const weight = told.weightOf(layer, shown, position);
      assert.equal(await line('weight'), weight === 0 ? '<\u2009.004' : weight.toFixed(3).replace(/^0/, ''));
      said.add(weight);
      await field.press(']');
    }
    assert.ok(said.size > 2, [...said].join(' '));
    await field.press('Escape');
  });

  it('shows any step again, and goes back to the newest', async () => {
    const { info, traces } = await readTrace(page);
    const slider = page.getByRole('slider', { name: 'Token', exact: true });
    const live = button('Live');
    assert.equal(await live.getAttribute('aria-pressed'), 'true');
    const shows = async (step) => {
      await page.getByText(`token ${step + 1} of 12`).waitFor();
      for (const { method, steps } of traces) {
        const told = replay(info, steps.slice(0, step + 1));
        await soon(async () => {
          const { width, cells } = await readMap(page, method);
          const want = cells.map((_, i) => {
            const row = Math.floor(i / width);
            return told.reads(Math.floor(row / info.queryHeads), row % info.queryHeads, i % width);
          });
          assert.deepEqual(cells, want, `${method}, step ${step}`);
        });
      }
    };
    await slider.fill('2');
    await shows(2);
    assert.equal(await live.getAttribute('aria-pressed'), 'false');
    await slider.press('ArrowRight');
    await shows(3);
    await slider.press('Home');
    await shows(0);
    // The prompt is longer than the budget, so dropping begins with the first step.
    assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /dropped/);
    await slider.fill('5');
    await slider.press('Shift+ArrowLeft');
    await shows(0);
    await page.locator('[data-stream="full"] [data-from]').last().click();
    await page.waitForFunction(() => Number(document.querySelector('#timeline').value) > 0);
    await slider.focus();
    await slider.press('l');
    await shows(11);
    assert.equal(await live.getAttribute('aria-pressed'), 'true');
  });

  it('draws the mask of a head that is held, row by row', async () => {
    const { info, traces } = await readTrace(page);
    const { steps } = traces.find(({ method }) => method === 'h2o');
    const [layer, head] = [11, 4];
    const part = (layer * info.queryHeads + head) / (info.layers * info.queryHeads);
    await clickMap(page, 'h2o', 0.3, part);
    await page.getByText(`H2O · L${layer} · H${head}`).waitFor();
    await soon(async () => {
      const { width, cells } = await readMap(page, 'h2o', 'mask');
      for (let step = 0; step < steps.length; step++) {
        const told = replay(info, steps.slice(0, step + 1));
        const query = told.length - 1;
        const want = Array.from({ length: width }, (_, position) => told.reads(layer, head, position));
        assert.deepEqual(cells.slice(query * width, (query + 1) * width), want, `step ${step}`);
      }
      // The prompt before its last token: a triangle.
      assert.deepEqual(cells.slice(2 * width, 2 * width + 4), ['read', 'read', 'read', 'empty']);
    });
    await page.keyboard.press('Escape');
    await page.locator('[data-mask]').waitFor({ state: 'detached' });
  });

  it('answers the needle with the values of the preset, and gives the defaults back', async () => {
    await choose(page, ['full', 'tidal_decode']);
    await page.getByLabel('each writes its own').check();
    const origin = page.locator('[data-origin="tidal_decode"]').first();
    await page.getByLabel('Prompt', { exact: true }).selectOption('question');
    await origin.waitFor({ state: 'detached' });
    for (const preset of ['needle-600', 'needle-1200']) {
      await page.getByLabel('Prompt', { exact: true }).selectOption(preset);
      assert.match((await origin.textContent()) ?? '', /Calibrated for SmolLM2-135M.*share all heads/s);
      await run(page);
      for (const method of ['full', 'tidal_decode']) {
        const said = await page.locator(`[data-stream="${method}"]`).textContent();
        assert.match(said ?? '', /48213/, `${method} at ${preset}`);
      }
      await shot(preset);
    }
    await origin.getByRole('button', { name: /paper’s defaults/ }).click();
    assert.equal(await page.locator('#tidal_decode-share').inputValue(), 'query_head');
    await origin.getByRole('button', { name: /calibrated/ }).click();
    assert.equal(await page.locator('#tidal_decode-share').inputValue(), 'all_heads');
    await page.getByLabel('same tokens for all').check();
    await choose(page, METHODS);
  });

  it('says when the text is too long, with numbers, and keeps the results', async () => {
    const there = await page.evaluate(() => window.__attnscope.state());
    assert.equal(there.tracks.length, 2);
    await page.getByLabel('Text of the prompt').fill('one two three four '.repeat(2200));
    await button('Run').click();
    const banner = page.locator('[data-code="context"]');
    await banner.waitFor({ timeout: LONG });
    assert.match((await banner.textContent()) ?? '', /8192/);
    assert.deepEqual(await page.evaluate(() => window.__attnscope.state()), there);
    assert.equal(await page.locator('canvas[data-map]').count(), there.tracks.length);
    await banner.getByLabel('Close this message').click();
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-600');
  });

  it('shows a value out of range beside its field', async () => {
    await page.getByText('Parameters of the chosen methods').click();
    const field = page.locator('#tidal_decode-top_k');
    const before = await field.inputValue();
    await field.fill('0');
    await field.blur();
    await page.locator('#tidal_decode-top_k-why').waitFor();
    assert.equal(await button('Run').isDisabled(), true);
    await field.fill(before);
    await field.blur();
    assert.equal(await button('Run').isDisabled(), false);
    // What only the model knows comes back from the engine, and is marked all the same.
    const layers = page.locator('#tidal_decode-reselect_layers');
    await layers.fill('99');
    await layers.blur();
    await button('Run').click();
    await page.locator('#tidal_decode-reselect_layers-why').waitFor();
    await page.locator('[data-code="param"]').getByLabel('Close this message').click();
    await layers.fill('');
    await layers.blur();
    await page.locator('#tidal_decode-reselect_layers-why').waitFor({ state: 'detached' });
    await page.getByText('Parameters of the chosen methods').click();
  });

  it('says with which values each method ran', async () => {
    await setBudget(page, 64);
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-600');
    await run(page);
    for (const method of METHODS) {
      const said = await page.locator(`[data-stream="${method}"]`).textContent();
      assert.match(said ?? '', /48213/, method);
    }
    const values = (method) => page.locator(`[data-values="${method}"]`);
    assert.match((await values('tidal_decode').textContent()) ?? '', /top_k 64.*share all heads/);
    // What ran stays under its map, whatever is set since.
    await setBudget(page, 32);
    assert.match((await values('h2o').textContent()) ?? '', /heavy 352, recent 32/);
    await setBudget(page, 64);
    await page.getByLabel('Prompt', { exact: true }).selectOption('needle-600');
  });

  it('looks right in light and dark, wide and narrow', async () => {
    await clickMap(page, 'tidal_decode', 0.3, 0.6);
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.waitForTimeout(400);
      await shot(`desktop-${theme}`);
      await page.setViewportSize({ width: 390, height: 844 });
      await page.waitForTimeout(400);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `${overflow} px wider than a phone`);
      await shot(`phone-${theme}`);
    }
  });

  staysQuiet(() => seen);
});
