import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readTraceFile } from 'attnscope/trace';
import { launch, openPage } from './browser.js';
import { readMap, readTrace } from './canvas.js';
import { replay } from './replay.js';
import { serve } from './server.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME } = process.env;
const FILE = at('../../www/src/recorded.attn');
/** Milliseconds until something is seen, of a page on a busy machine. */
const FIRST = 1000 * Number(process.env.ATTNSCOPE_SLOW ?? 4);

describe('the page before there is a model', {
  skip: CHROME ? false : 'not run: CHROME not set',
  timeout: 120_000,
}, () => {
  let server;
  let browser;
  let page;
  let seen;
  let recorded;
  const asked = [];
  before(async () => {
    recorded = await readTraceFile(readFileSync(FILE));
    // Any file will do as one that must not be fetched.
    server = await serve(at('../../www/dist'), at('../../www/index.html'));
    browser = await launch(CHROME);
    // Twice the pixels, so that a map of this text can have one position a column.
    seen = await openPage(browser, server.origin, { deviceScaleFactor: 2 });
    page = seen.page;
    page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await page.goto(`${server.url}?test`);
  });
  after(async () => {
    await browser?.close();
    server?.close();
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

  it('fetches no model', async () => {
    await page.locator('[data-method="full"]').waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(
      asked.filter((line) => line.endsWith('.gguf')),
      ['HEAD /some/folder/models/SmolLM2-135M-Instruct.Q4_1.gguf'],
    );
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
    await page.waitForTimeout(300);
    for (const [i, { method, title, steps }] of recorded.tracks.entries()) {
      const told = replay(info, traces[i].steps.slice(0, 6));
      const { width, cells } = await readMap(page, method);
      assert.ok(width >= told.length, `${width} columns for ${told.length} positions`);
      const wrong = cells.flatMap((state, at) => {
        const [row, position] = [Math.floor(at / width), at % width];
        const want = told.reads(Math.floor(row / info.queryHeads), row % info.queryHeads, position);
        return state === want ? [] : [`${method} row ${row} position ${position}: ${state}, not ${want}`];
      });
      assert.deepEqual(wrong.slice(0, 3), []);
      const text = steps.map((step) => step.text).join('');
      const stream = await page.locator(`[data-stream="${method}"]`).textContent();
      assert.equal(stream?.trim().replaceAll('⏎', '\n'), text.trim());
      assert.ok(await page.locator('#numbers').getByText(title, { exact: true }).isVisible());
      assert.match((await page.locator(`[data-verdict="${method}"]`).textContent()) ?? '', /Reads (all|\d)/);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('names tokens and shows the history of a head, without a model', async () => {
    const map = page.locator('[data-map="tidal_decode"]');
    await map.scrollIntoViewIfNeeded();
    const box = await map.boundingBox();
    assert.ok(box);
    await page.mouse.click(box.x + 3, box.y + box.height * 0.4);
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
    await page.waitForTimeout(300);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px wider than a phone`);
    await page.screenshot({ path: at('../../artifacts/recorded-phone.png') });
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('button', { name: /^Trace file/ }).isVisible(), false);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('takes over its settings', async () => {
    await button('Use its settings').click();
    assert.equal(await page.getByLabel('Prompt', { exact: true }).inputValue(), recorded.settings.recipe.preset);
    const on = await page
      .locator('[data-method][aria-pressed="true"]')
      .evaluateAll((c) => c.map((x) => x.dataset.method));
    assert.deepEqual(on.sort(), recorded.tracks.map(({ method }) => method).sort());
    for (const { method, params } of recorded.tracks) {
      for (const [name, value] of Object.entries(params)) {
        const shown = page.locator(`#${method}-${name}`);
        if (typeof value === 'number') assert.equal(Number(await shown.inputValue()), value, `${method}.${name}`);
      }
    }
  });

  it('logged no error and asked nobody else', () => {
    assert.deepEqual(seen.errors, []);
    assert.deepEqual(seen.foreign, []);
  });
});
