import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { readTrace } from './canvas.js';
import { choose, chosen, loadModel, run, soon } from './controls.js';
import { replay } from './replay.js';
import { broken, TARGET, tooSmall, tooWide } from './rules.js';
import { at, MODEL, SKIP, site, staysQuiet } from './site.js';

/** Strokes in the unit square, as a hand with a mouse would draw them. */
const SEVEN = [
  [0.27, 0.22],
  [0.5, 0.2],
  [0.73, 0.2],
  [0.6, 0.5],
  [0.47, 0.82],
];
const ZERO = Array.from({ length: 25 }, (_, i) => {
  const angle = (i / 24) * 2 * Math.PI - Math.PI / 2;
  return [0.5 + 0.21 * Math.cos(angle), 0.5 + 0.32 * Math.sin(angle)];
});
const KEPT = ['stored', 'merged'];
const ROW = 0xffff_ffff;

describe('pictures, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  const paths = [];
  before(async () => {
    const prepare = (page) => page.on('response', (response) => paths.push(new URL(response.url()).pathname));
    seen = await built.visit('?test', { reducedMotion: 'reduce', prepare });
    page = seen.page;
    await loadModel(page);
  });

  const button = (name) => page.getByRole('button', { name, exact: true });
  const pad = (letter) => page.locator(`[data-pad="${letter}"]`);
  const field = (letter) => pad(letter).getByRole('group');
  const why = () => page.locator('#why').textContent();
  const answers = () =>
    page.locator('[data-answer]').evaluateAll((all) => all.map((e) => [e.dataset.answer, e.textContent.trim()]));
  const state = () => page.evaluate(() => window.__attnscope.state());

  async function draw(letter, points) {
    const canvas = pad(letter).locator('canvas');
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    const place = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...place(points[0]));
    await page.mouse.down();
    for (const point of points.slice(1)) await page.mouse.move(...place(point), { steps: 4 });
    await page.mouse.up();
  }
  /** Pixels with ink on a pad. */
  const ink = (letter) =>
    pad(letter)
      .locator('canvas')
      .evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 128).length;
      });

  it('are pads in the place of the text, and nothing of them is fetched before', async () => {
    const parts = () => paths.filter((path) => /Pads|Patches|projector/.test(path));
    assert.deepEqual(parts(), []);
    await page.getByLabel('Prompt', { exact: true }).selectOption('pictures');
    await pad('D').waitFor();
    assert.deepEqual(await chosen(page), ['full', 'look_m']);
    assert.equal(await page.getByLabel('Text of the prompt').count(), 0);
    assert.ok(parts().some((path) => path.startsWith('/some/folder/') && path.endsWith('.js')));
    assert.ok(!parts().some((path) => path.includes('projector')));
  });

  it('say which of them are empty, are added and removed', async () => {
    assert.match(await why(), /^Pictures A, B, C, D are empty/);
    assert.equal(await button('Run').isDisabled(), true);
    for (const letter of ['D', 'C']) await button(`Picture ${letter}: remove`).click();
    assert.match(await why(), /^Pictures A, B are empty/);
    await button('Add a picture').click();
    await button('Picture C: remove').click();
    await page.getByText(/^85 tokens$/).waitFor();
  });

  it('are drawn with the pointer, undone and cleared with the keyboard', async () => {
    await draw('A', SEVEN);
    const seven = await ink('A');
    assert.ok(seven > 500, `${seven} pixels`);
    assert.match(await why(), /^Picture B is empty/);
    await draw('A', ZERO);
    assert.ok((await ink('A')) > seven);
    await field('A').press('Control+z');
    await soon(async () => assert.equal(await ink('A'), seven));
    await field('A').press('Delete');
    await soon(async () => assert.equal(await ink('A'), 0));
    await page.getByRole('img', { name: 'Picture A, empty' }).waitFor();
    await field('A').press('Control+z');
    await soon(async () => assert.equal(await ink('A'), seven));
    await page.getByRole('img', { name: 'Picture A, drawn' }).waitFor();
    // Without a pointer there are samples.
    await field('B').press('4');
    await page.getByRole('img', { name: 'Picture B, a sample of 4' }).waitFor();
    await button('Picture B: clear').click();
    await draw('B', ZERO);
    assert.equal(await button('Run').isEnabled(), true);
  });

  it('are read: what is asked for is answered after the words that every answer begins with', async () => {
    for (const [letter, digit] of [
      ['A', '7'],
      ['B', '0'],
    ]) {
      await page.getByLabel('Picture that is asked for').selectOption({ label: letter });
      await run(page);
      await soon(async () => assert.deepEqual((await answers())[0], ['full', digit]));
      const { prompt, tracks } = await state();
      assert.equal(prompt.filter((id) => id === ROW).length, 32);
      for (const { said } of tracks) {
        const text = said.map(({ text }) => text).join('');
        assert.match(text, new RegExp(`^Picture ${letter} shows the digit \\d$`));
      }
      // Beside the map, too.
      await page
        .locator('article', { has: page.locator('[data-map="full"]') })
        .getByText(`“${digit}”`)
        .waitFor();
    }
    assert.ok(paths.some((path) => /^\/some\/folder\/assets\/picture_projector.*\.safetensors$/.test(path)));
  });

  it('are drawn patch by patch as the trace has them', async () => {
    const { info, traces } = await readTrace(page);
    const { prompt } = await state();
    const firsts = prompt.flatMap((id, p) => (id === ROW && prompt[p - 1] !== ROW ? [p] : []));
    assert.equal(firsts.length, 2);
    const heads = [
      [15, 0],
      [0, 2],
      [29, 1],
    ];
    for (const [layer, head] of heads) {
      await page.locator('#patch-layer').fill(String(layer));
      await page.locator('#patch-head').selectOption(String(head));
      for (const { method, steps } of traces) {
        const told = replay(info, steps);
        const want = firsts.map((first) => Array.from({ length: 16 }, (_, p) => told.storage(layer, head, first + p)));
        const kept = want.map((states) => states.map((state) => (KEPT.includes(state) ? 1 : 0)).join('')).join(' ');
        await soon(async () => {
          const canvas = page.locator(`[data-patches="${method}"]`);
          assert.match(await canvas.getAttribute('aria-label'), new RegExp(`Layer ${layer}, KV head ${head};`));
          assert.equal(await canvas.getAttribute('data-bits'), kept, `${method} ${layer} ${head}`);
          assert.deepEqual(
            await patches(method),
            want.map((states) => states.map((state) => (state === 'dropped' ? 'evicted' : state))),
          );
        });
        // All that goes is merged.
        const gone = [...kept].filter((bit) => bit === '0').length;
        const label = await page.locator(`[data-patches="${method}"]`).getAttribute('aria-label');
        await soon(async () => assert.equal(Number(/; (\d+) rows were merged/.exec(label)?.[1] ?? 0), gone));
      }
    }
    const told = replay(info, traces.find(({ method }) => method === 'look_m').steps);
    const all = Array.from({ length: info.layers * info.kvHeads }, (_, i) => i);
    const count = (positions) =>
      all.reduce((sum, i) => {
        const [layer, head] = [Math.floor(i / info.kvHeads), i % info.kvHeads];
        return sum + positions.filter((p) => KEPT.includes(told.storage(layer, head, p))).length;
      }, 0) / all.length;
    const text = prompt.flatMap((id, p) => (id === ROW ? [] : [p]));
    const rows = prompt.flatMap((id, p) => (id === ROW ? [p] : []));
    // Text first, and a quarter of the rows of pictures.
    assert.deepEqual([count(text), count(rows)], [text.length, 8]);
    assert.equal(
      (await page.locator('[data-kept="look_m"]').textContent()).trim(),
      `text kept: ${text.length} of ${text.length}, picture rows kept: 8 of 32`,
    );
  });

  /** The state of every patch by the pixels of its corner, over which nothing is drawn. */
  function patches(method) {
    return page.locator(`[data-patches="${method}"]`).evaluate((canvas) => {
      const style = getComputedStyle(document.documentElement);
      const names = ['empty', 'evicted', 'stored', 'merged', 'parked', 'quantised'];
      const colours = names.map((name) => style.getPropertyValue(`--cell-${name}`).trim());
      const ratio = canvas.width / Number.parseFloat(canvas.style.width);
      const cell = Number(canvas.dataset.cell);
      const context = canvas.getContext('2d');
      return canvas.dataset.boxes.split(' ').map((box) => {
        const [x, y] = box.split(',').map(Number);
        return Array.from({ length: 16 }, (_, p) => {
          const place = [x + (p % 4) * cell + 1, y + Math.floor(p / 4) * cell + 1].map((at) => Math.round(at * ratio));
          const [r, g, b] = context.getImageData(...place, 1, 1).data;
          const colour = `#${((r << 16) | (g << 8) | b).toString(16).padStart(6, '0')}`;
          return names[colours.indexOf(colour)] ?? colour;
        });
      });
    });
  }

  it('hold a cell where they are clicked, which has the name of its row', async () => {
    const canvas = page.locator('[data-patches="look_m"]');
    await canvas.scrollIntoViewIfNeeded();
    const [x, y] = (await canvas.getAttribute('data-boxes')).split(' ')[1].split(',').map(Number);
    const cell = Number(await canvas.getAttribute('data-cell'));
    await canvas.click({ position: { x: x + 2.5 * cell, y: y + 1.5 * cell } });
    await page.locator('aside code').getByText('▦ picture B, row 6').waitFor();
    await page.keyboard.press('Escape');
  });

  it('show what a switch changes: nothing is merged, and rows are kept by lot', async () => {
    await page.getByRole('radio', { name: 'not at all' }).check();
    await run(page);
    await soon(async () => {
      const label = await page.locator('[data-patches="look_m"]').getAttribute('aria-label');
      assert.doesNotMatch(label, /merged/);
      assert.match(await page.locator('[data-kept="look_m"]').textContent(), /picture rows kept: 8 of 32/);
    });
    await page.getByRole('radio', { name: 'lot' }).check();
    await page.getByLabel(/^Room for picture rows/).fill('50');
    await choose(page, ['full', 'h2o', 'look_m']);
    await run(page);
    await soon(async () =>
      assert.match(
        await page.locator('[data-kept="look_m"]').textContent(),
        /text kept: 53 of 53, picture rows kept: 16 of 32/,
      ),
    );
    // Whatever drops rows is shown.
    const bits = await page.locator('[data-patches="h2o"]').getAttribute('data-bits');
    assert.match(bits, /0/);
  });

  it('begin every answer alike where each method writes its own, and are timed', async () => {
    await page.getByLabel('each writes its own').check();
    await run(page);
    for (const [, answer] of await answers()) assert.match(answer, /^\d$/);
    for (const { said } of (await state()).tracks)
      assert.match(said.map(({ text }) => text).join(''), /^Picture B shows the digit \d$/);
    await page.getByLabel('same tokens for all').check();
    await button('Measure speeds').click();
    await page.locator('[data-speed="look_m"]').waitFor({ timeout: 120_000 });
    assert.deepEqual(await page.locator('[role="alert"]').allTextContents(), []);
  });

  it('are read from samples as they are', async () => {
    await page.getByRole('radio', { name: 'the attention they got' }).check();
    await choose(page, ['full']);
    for (const letter of ['A', 'B']) await button(`Picture ${letter}: clear`).click();
    for (let i = 0; i < 3; i++) await button('Add a picture').click();
    for (const [round, digits] of ['01234', '56789'].entries()) {
      for (const [i, digit] of [...digits].entries()) await field('ABCDE'[i]).press(digit);
      const said = [];
      for (const letter of 'ABCDE') {
        await page.getByLabel('Picture that is asked for').selectOption({ label: letter });
        await run(page);
        await soon(async () => assert.match((await answers())[0][1], /^\d$/));
        said.push((await answers())[0][1]);
      }
      assert.equal(said.join(''), digits, `round ${round}`);
    }
    await page.getByText('This picture is a sample of 9.').waitFor();
  });

  it('say that drawings are in no link, and open again without them', async () => {
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByText(/Drawings are in no link\./).waitFor();
    await page.locator('summary', { hasText: 'Export' }).click();
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: /^Trace file .*without the drawings/ }).click();
    const buffer = readFileSync(await (await waiting).path());
    const before = await answers();
    await page.getByLabel('File to open').setInputFiles({ name: 'mine.attn', mimeType: '', buffer });
    await page.locator('[data-recorded="mine.attn"]').waitFor();
    await soon(async () => assert.deepEqual(await answers(), before));
    assert.equal((await state()).prompt.filter((id) => id === ROW).length, 80);
    await button('Run it here').click();
    await soon(async () => assert.equal(await page.locator('[data-recorded="mine.attn"]').count(), 0));
    await page.getByText('· finished').waitFor();
  });

  it('are for everybody: axe, a narrow window, dark and light', async () => {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await broken(page), []);
      await page.screenshot({ path: at(`../../artifacts/pictures-${colorScheme}.png`), fullPage: true });
    }
    await page.setViewportSize({ width: 320, height: 640 });
    await page.waitForTimeout(300);
    assert.deepEqual(await page.evaluate(tooWide), []);
    assert.deepEqual(await page.evaluate(tooSmall, TARGET), []);
    await page.screenshot({ path: at('../../artifacts/pictures-phone.png'), fullPage: true });
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('give the methods and the budget from before back', async () => {
    await page.getByLabel('Prompt', { exact: true }).selectOption('question');
    await page.getByLabel('Text of the prompt').waitFor();
    assert.match(await page.locator('.budget b').textContent(), /^64 tokens$/);
    await page.getByLabel('Prompt', { exact: true }).selectOption('pictures');
    // What was drawn is still there.
    await page.getByRole('img', { name: 'Picture E, a sample of 9' }).waitFor();
  });

  staysQuiet(() => seen);
});
