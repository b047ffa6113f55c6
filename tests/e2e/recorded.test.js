import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readTraceFile } from 'attnscope/trace';
import { readMap, readTrace } from './canvas.js';
import { chosen, clickMap, soon, verdictOf } from './controls.js';
import { replay } from './replay.js';
import { at, MODEL, SKIP, SKIP_BROWSER, SLOW, site, staysQuiet } from './site.js';

const FILE = at('../../www/src/recorded.attn');
/** Milliseconds until something is seen. */
const FIRST = 1000 * SLOW;

describe('the page before there is a model', {
  skip: SKIP_BROWSER,
  timeout: 120_000,
}, () => {
  const built = site();
  let page;
  let seen;
  let recorded;
  const asked = [];
  before(async () => {
    recorded = await readTraceFile(readFileSync(FILE));
    // Twice the pixels, so that a map of this text can have one position a column.
    seen = await built.visit('?test', {
      deviceScaleFactor: 2,
      prepare: (page) =>
        page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`)),
    });
    page = seen.page;
  });

  const button = (name) => page.getByRole('button', { name, exact: true });
  const slider = () => page.getByRole('slider', { name: 'Token', exact: true });
  const open = (name, buffer) => page.getByLabel('File to open').setInputFiles({ name, mimeType: '', buffer });

  it('plays the recorded run at once, and says that it was recorded', async () => {
    await page.locator('[data-recorded="bundled"]').waitFor();
    await page.waitForFunction(() => document.querySelector('canvas[data-map]')?.width > 1);
    const took = await page.evaluate(() => performance.now());
    assert.ok(took < FIRST, `${Math.round(took)} ms`);
    await page.getByText('Recorded run.').waitFor();
    await button('Pause').waitFor();
    await button('Play').waitFor();
    assert.equal(await slider().inputValue(), String(recorded.tracks[0].steps.length - 1));
  });

  it('draws exactly what the file says, in every panel', async () => {
    const { info, traces } = await readTrace(page);
    assert.deepEqual(
      traces.map(({ method }) => method),
      recorded.tracks.map(({ method }) => method),
    );
    // Another step than the newest, on two maps a row.
    await page.setViewportSize({ width: 840, height: 900 });
    await slider().fill('5');
    for (const [i, { method, title, steps }] of recorded.tracks.entries()) {
      const told = replay(info, traces[i].steps.slice(0, 6));
      await soon(async () => {
        const { width, cells } = await readMap(page, method);
        assert.ok(width >= told.length, `${width} columns for ${told.length} positions`);
        const wrong = cells.flatMap((state, at) => {
          const [row, position] = [Math.floor(at / width), at % width];
          const want = told.reads(Math.floor(row / info.queryHeads), row % info.queryHeads, position);
          return state === want ? [] : [`${method} row ${row} position ${position}: ${state}, not ${want}`];
        });
        assert.deepEqual(wrong.slice(0, 3), []);
      });
      const text = steps.map((step) => step.text).join('');
      const stream = await page.locator(`[data-stream="${method}"]`).textContent();
      assert.equal(stream?.trim().replaceAll('⏎', '\n'), text.trim());
      assert.ok(await page.locator('#numbers').getByText(title, { exact: true }).isVisible());
      assert.match(await verdictOf(page, method), /Reads (all|\d)/);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('says that it has no weights', async () => {
    const why = page.getByText('Where a map is empty, no weights were recorded.');
    assert.equal(await why.count(), 0);
    await button('Weights').click();
    await why.waitFor();
    await button('Reads').click();
    assert.equal(await why.count(), 0);
  });

  it('names tokens and shows the history of a head, without a model', async () => {
    await clickMap(page, 'tidal_decode', 0.005, 0.4);
    await page.locator('[data-mask="tidal_decode"]').waitFor();
    const shown = page.locator('[aria-label="Inspector"] code');
    const text = await shown.textContent();
    assert.ok(
      text && text !== '–' && recorded.prompt.some((token) => token.text.replaceAll(' ', '␣') === text),
      text ?? '',
    );
    await page.keyboard.press('Escape');
    await page.screenshot({ path: at('../../artifacts/recorded.png'), fullPage: true });
  });

  it('opens a trace file by a button and by dropping it', async () => {
    await open('again.attn', readFileSync(FILE));
    await page.locator('[data-recorded="again.attn"]').waitFor();
    const bytes = readFileSync(FILE).toString('base64');
    const data = await page.evaluateHandle((base64) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], 'without-a-name'));
      return transfer;
    }, bytes);
    await page.dispatchEvent('main', 'drop', { dataTransfer: data });
    await page.locator('[data-recorded="without-a-name"]').waitFor();
    assert.equal(await page.locator('canvas[data-map]').count(), recorded.tracks.length);
  });

  it('says what is wrong with a bad file, and loses nothing', async () => {
    const bytes = readFileSync(FILE);
    const flipped = Uint8Array.from(bytes);
    flipped[bytes.length >> 1] ^= 0xff;
    for (const [name, buffer, says] of [
      ['page.attn', Buffer.from('<!doctype html>'), /not a trace file/],
      ['cut.attn', bytes.subarray(0, bytes.length - 100), /ends too early/],
      ['flipped.attn', Buffer.from(flipped), /damaged/],
    ]) {
      await open(name, buffer);
      const banner = page.locator('[data-code="trace"]');
      await banner.getByText(says).waitFor();
      await banner.getByLabel('Close this message').click();
      await banner.waitFor({ state: 'detached' });
      assert.equal(await page.locator('canvas[data-map]').count(), recorded.tracks.length);
      await page.locator('[data-recorded="without-a-name"]').waitFor();
    }
  });

  it('fits a phone, the menu too', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.locator('summary', { hasText: 'Export' }).click();
    const menu = await page.getByRole('button', { name: /^Trace file/ }).boundingBox();
    assert.ok(menu && menu.x >= 0 && menu.x + menu.width <= 390, JSON.stringify(menu));
    await soon(async () => {
      const wide = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return scrollWidth - clientWidth;
      });
      assert.ok(wide <= 0, `${wide} px wider than a phone`);
    });
    await page.screenshot({ path: at('../../artifacts/recorded-phone.png') });
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('button', { name: /^Trace file/ }).isVisible(), false);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('takes over its settings', async () => {
    await button('Use its settings').click();
    assert.equal(await page.getByLabel('Prompt', { exact: true }).inputValue(), recorded.settings.recipe.preset);
    assert.deepEqual((await chosen(page)).sort(), recorded.tracks.map(({ method }) => method).sort());
    for (const { method, params } of recorded.tracks) {
      for (const [name, value] of Object.entries(params)) {
        const control = page.locator(`#${method}-${name}`);
        const shown =
          typeof value === 'boolean' ? await control.isChecked() : (await control.inputValue()).replaceAll(/\s/g, '');
        assert.equal(shown, typeof value === 'boolean' ? value : String(value), `${method}.${name}`);
      }
    }
  });

  it('fetched no model in all this', () => {
    assert.deepEqual(
      asked.filter((line) => line.endsWith('.gguf')),
      ['HEAD /some/folder/models/SmolLM2-135M-Instruct.Q4_1.gguf'],
    );
  });

  staysQuiet(() => seen);
});

describe('recording the run anew, with the real model', { skip: SKIP, timeout: 120_000 }, () => {
  it('gives the text that the page has', async () => {
    const out = join(mkdtempSync(join(tmpdir(), 'attnscope-record-')), 'run.attn');
    execFileSync(process.execPath, [at('../../xtask/record.mjs'), MODEL, out, 'needle-600', 'full'], { stdio: 'pipe' });
    const [made, shipped] = await Promise.all([out, FILE].map((file) => readTraceFile(readFileSync(file))));
    assert.deepEqual(made.prompt, shipped.prompt);
    assert.deepEqual(made.tracks[0].steps, shipped.tracks[0].steps);
    assert.deepEqual(made.settings.recipe, shipped.settings.recipe);
  });
});
