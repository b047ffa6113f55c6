import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readTraceFile } from 'attnscope/trace';
import { launch, openPage } from './browser.js';
import { readMap, readTrace } from './canvas.js';
import { replay } from './replay.js';
import { serve } from './server.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME, ATTNSCOPE_MODEL } = process.env;
const missing = [!CHROME && 'CHROME', !ATTNSCOPE_MODEL && 'ATTNSCOPE_MODEL'].filter(Boolean).join(' and ');
const METHODS = ['full', 'h2o', 'quant_spec'];
const PROMPT = 'One, two, "three", four, five, six, seven, eight, nine, ten, eleven, twelve,';
const TOKENS = 10;

describe('what is exported of a run', {
  skip: missing ? `not run: ${missing} not set` : false,
  timeout: 300_000,
}, () => {
  let server;
  let browser;
  let page;
  let seen;
  before(async () => {
    mkdirSync(at('../../artifacts'), { recursive: true });
    server = await serve(at('../../www/dist'), ATTNSCOPE_MODEL);
    browser = await launch(CHROME);
    seen = await openPage(browser, server.origin);
    page = seen.page;
    await page.goto(`${server.url}?test`);
    await load(page);
    for (const chip of await page.locator('[data-method]').all()) {
      const on = (await chip.getAttribute('aria-pressed')) === 'true';
      if (on !== METHODS.includes((await chip.getAttribute('data-method')) ?? '')) await chip.click();
    }
    await page.getByLabel('as a chat message').uncheck();
    await page.getByLabel('Text of the prompt').fill(PROMPT);
    await page.getByLabel('Tokens to generate').fill(String(TOKENS));
    await page.locator('#budget').evaluate((slider) => {
      slider.value = '4';
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByText('· finished').waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Storage' }).click();
    await page.getByRole('slider', { name: 'Token', exact: true }).fill('6');
    const map = page.locator('[data-map="h2o"]');
    await map.scrollIntoViewIfNeeded();
    const box = await map.boundingBox();
    assert.ok(box);
    await page.mouse.click(box.x + box.width * 0.2, box.y + box.height * 0.5);
    await page.locator('[data-mask="h2o"]').waitFor();
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  /** The bytes of a download. */
  async function exported(kind) {
    await page.locator('summary', { hasText: 'Export' }).click();
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: kind }).click();
    const download = await waiting;
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  }
  const state = (of) => of.evaluate(() => window.__attnscope.state());

  it('a trace file, which opens to the same state where there is no model', async () => {
    const { name, bytes } = await exported(/^Trace file/);
    assert.equal(name, 'attnscope-own.attn');
    const run = await readTraceFile(bytes);
    assert.equal(run.prompt.map(({ text }) => text).join(''), PROMPT);
    const other = await openPage(browser, server.origin);
    await other.page.goto(`${server.url}?test`);
    await other.page.locator('[data-recorded="bundled"]').waitFor();
    await other.page.getByLabel('File to open').setInputFiles({ name, mimeType: '', buffer: bytes });
    await other.page.locator(`[data-recorded="${name}"]`).waitFor();
    await other.page.locator('[data-mask="h2o"]').waitFor();
    await other.page.waitForTimeout(300);
    const wanted = await state(page);
    assert.deepEqual(wanted.look.cell.track, 1);
    assert.equal(wanted.look.step, 6);
    assert.deepEqual(await state(other.page), wanted);
    const [here, there] = [await readTrace(page), await readTrace(other.page)];
    assert.deepEqual(there.traces, here.traces);
    for (const method of METHODS) {
      assert.deepEqual(await readMap(other.page, method), await readMap(page, method), method);
      const verdict = `[data-verdict="${method}"]`;
      assert.equal(await other.page.locator(verdict).textContent(), await page.locator(verdict).textContent());
    }
    assert.deepEqual(await readMap(other.page, 'h2o', 'mask'), await readMap(page, 'h2o', 'mask'));
    assert.deepEqual(other.errors, []);
    await other.context.close();
  });

  it('a link, which leads to the same state once it is run', async () => {
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByText(/^The link is/).waitFor();
    const other = await openPage(browser, server.origin);
    await other.page.goto(page.url());
    await load(other.page);
    await other.page.getByRole('button', { name: 'Run', exact: true }).click();
    await other.page.getByText('· finished').waitFor({ timeout: 120_000 });
    await other.page.locator('[data-mask="h2o"]').waitFor();
    await other.page.waitForTimeout(300);
    assert.deepEqual(await state(other.page), await state(page));
    assert.deepEqual(other.errors, []);
    await other.context.close();
  });

  it('numbers of every step, which are those of the trace', async () => {
    const { name, bytes } = await exported(/^Numbers of every step/);
    assert.equal(name, 'attnscope-own.csv');
    const [head, ...rows] = bytes.toString('utf8').trimEnd().split('\r\n').map(fields);
    assert.equal(rows.length, METHODS.length * TOKENS);
    const { info, traces } = await readTrace(page);
    for (const row of rows) {
      const value = (column) => row[head.indexOf(column)];
      const { steps } = traces.find(({ method }) => method === value('method'));
      const told = replay(info, steps.slice(0, Number(value('step'))));
      assert.equal(Number(value('positions')), told.length);
      assert.equal(Number(value('rows_read')), told.readRows);
      assert.equal(typeof JSON.parse(value('token')), 'string');
    }
  });

  it('a picture at twice the size', async () => {
    const { name, bytes } = await exported(/^Picture of the maps/);
    assert.equal(name, 'attnscope-own.png');
    assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
    const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    assert.ok(width > 2000 && height > 700 && width % 2 === 0 && height % 2 === 0, `${width} x ${height}`);
    writeFileSync(at('../../artifacts/picture.png'), bytes);
  });

  it('logged no error and asked nobody else', () => {
    assert.deepEqual(seen.errors, []);
    assert.deepEqual(seen.foreign, []);
  });
});

async function load(page) {
  await page.getByRole('button', { name: /^Load .*MB\)$/ }).click();
  await page.getByText(/^30 layers/).waitFor({ timeout: 120_000 });
}

/** A line of comma-separated values. */
function fields(line) {
  const found = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  return found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}
