import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { readTrace } from './canvas.js';
import { fillIn, loadModel, run, setParam, verdictOf } from './controls.js';
import { tell } from './facts.js';
import { MODEL, SKIP, site, staysQuiet } from './site.js';

/** Prose, so that what is chosen and guessed is not the same everywhere. */
const PROMPT = `The harbour master keeps a book. ${Array.from({ length: 14 }, (_, n) => `On day ${n + 1} the ${['red', 'blue', 'old', 'small'][n % 4]} boat came back with ${3 * n + 2} baskets of ${['cod', 'crab', 'herring'][n % 3]}.`).join(' ')} On the last day`;
const TOKENS = 14;

describe('what the page says of each method, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  let told;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
    const methods = ['full', 'scope', 'tidal_decode', 'flex_prefill', 'star_attention', 'quant_spec'];
    await fillIn(page, { methods, own: true, text: PROMPT, tokens: TOKENS });
    await page.getByText('Parameters of the chosen methods').click();
    await setParam(page, 'tidal_decode', 'top_k', 24);
    await setParam(page, 'flex_prefill', 'min_budget', 32);
    await setParam(page, 'flex_prefill', 'block', 16);
    await setParam(page, 'scope', 'prompt_budget', 48);
    await setParam(page, 'scope', 'decode_budget', 8);
    await setParam(page, 'quant_spec', 'group_tokens', 32);
    await page.getByText('Parameters of the chosen methods').click();
    await run(page);
    const { info, traces } = await readTrace(page);
    told = new Map(traces.map(({ method, steps }) => [method, { info, steps, ...tell(info, steps) }]));
  });

  const line = (method) => verdictOf(page, method);
  const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

  it('full attention reads everything', async () => {
    const { length } = told.get('full');
    assert.equal(await line('full'), `Reads all ${length} positions in every head. Keeps everything.`);
  });

  it('TidalDecode: which layers choose, how many reuse', async () => {
    const { choosing, reusing } = told.get('tidal_decode');
    assert.equal(choosing.length, 2);
    assert.ok(reusing > 20);
    assert.ok((await line('tidal_decode')).includes(`layers ${choosing.join(' and ')} choose; ${reusing} reuse`));
  });

  it('FlexPrefill: blocks computed', async () => {
    const { blocksRead, blocksThere } = told.get('flex_prefill');
    assert.ok(blocksRead > 0 && blocksRead < blocksThere);
    assert.ok(
      (await line('flex_prefill')).startsWith(`Prefill computed ${percent(blocksRead / blocksThere)} of blocks.`),
    );
  });

  it('FlexPrefill: the pattern of each head, and how near it was to the other', async () => {
    const { choices, info } = told.get('flex_prefill');
    assert.equal(choices.length, info.layers * info.queryHeads);
    const trusting = choices.filter(({ number, cut }) => number < cut);
    assert.ok(trusting.length > 0 && trusting.length < choices.length, 'both patterns');
    const canvas = page.locator('canvas[data-patterns="flex_prefill"]');
    // Of each head the pixel in the middle, which is not hatched.
    const hues = await canvas.evaluate((canvas, { layers, queryHeads }) => {
      const side = canvas.width / queryHeads;
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return Array.from({ length: layers * queryHeads }, (_, i) => {
        const [x, y] = [(i % queryHeads) * side + side / 2, Math.floor(i / queryHeads) * side + side / 4];
        const at = 4 * (y * canvas.width + x);
        return data[at] < data[at + 2] ? 'estimate' : 'lines';
      });
    }, info);
    const want = Array(hues.length).fill('');
    for (const { layer, head, number, cut } of choices)
      want[layer * info.queryHeads + head] = number < cut ? 'estimate' : 'lines';
    assert.deepEqual(hues, want);
    assert.ok((await canvas.getAttribute('aria-label')).includes(`${trusting.length} of ${choices.length} trust`));
  });

  it('Star Attention: blocks and anchor', async () => {
    const { star } = told.get('star_attention');
    assert.ok(star.count >= 3);
    const want = `Prompt in ${star.count} blocks of ${star.size} + anchor ${star.anchor}.`;
    assert.ok((await line('star_attention')).startsWith(want), `${await line('star_attention')}, not ${want}`);
  });

  it('QuantSpec: guesses accepted', async () => {
    const { guessed, held } = told.get('quant_spec');
    assert.ok(guessed > 0);
    assert.ok((await line('quant_spec')).startsWith(`Accepted ${held} of ${guessed} guesses`));
  });

  it('SCOPE: rows of the prompt and of the answer', async () => {
    const { promptRows, writtenRows } = told.get('scope');
    assert.equal(promptRows, 48);
    assert.equal(writtenRows, 8);
    assert.match(await line('scope'), /\(prompt 48, decode 8\)/);
  });

  it('marks layers, blocks, pools and tiers, and judges guesses one by one', async () => {
    const shown = (name) =>
      page.locator(`[data-${name}]`).evaluateAll((all, name) => all.map((e) => e.getAttribute(`data-${name}`)), name);
    assert.deepEqual((await shown('strip')).sort(), ['quant_spec', 'scope', 'star_attention']);
    assert.deepEqual(await shown('blocks'), ['flex_prefill']);
    const { choosing, info } = told.get('tidal_decode');
    const edges = await page.locator('canvas[data-rings="tidal_decode"]').evaluate((canvas, layers) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(width >> 1, 0, 1, height);
      return Array.from(
        { length: layers },
        (_, l) => data[4 * Math.min(height - 1, Math.round((l / layers) * height)) + 3] > 0,
      );
    }, info.layers);
    // A ring has the edge above its layer and the one below, and there is nothing else on that canvas.
    assert.deepEqual(
      edges,
      edges.map((_, layer) => choosing.includes(layer) || choosing.includes(layer - 1)),
    );
    const { judged } = told.get('quant_spec');
    assert.ok(judged.length > 0);
    const chips = await page
      .locator('[data-guesses="quant_spec"] .chip')
      .evaluateAll((all) => all.map((chip) => chip.classList.contains('rejected')));
    assert.deepEqual(
      chips,
      judged.map((held) => !held),
    );
  });

  it('has a section of the article for every method, with the picture of one that ran', async () => {
    const all = await page.locator('[data-method]').evaluateAll((chips) => chips.map((c) => c.dataset.method));
    const said = await page.locator('[data-article]').evaluateAll((sections) => sections.map((s) => s.dataset.article));
    assert.deepEqual(said, all);
    const section = page.locator('[data-article="tidal_decode"]');
    await section.locator('summary').click();
    await section.locator('canvas').waitFor();
    assert.ok(((await section.locator('figcaption').textContent()) ?? '').includes(await line('tidal_decode')));
    assert.equal(await section.locator('a').first().getAttribute('href'), 'https://arxiv.org/abs/2410.05076');
    await page.locator('[data-article="quest"] summary').click();
    assert.equal(await page.locator('[data-article="quest"] canvas').count(), 0);
  });

  staysQuiet(() => seen);
});
