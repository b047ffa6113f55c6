import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { badLine } from './bad-line.js';
import { launch, openPage, WEBGPU } from './browser.js';
import { fillIn, finished, run } from './controls.js';
import { at, CHROME, SKIP_BROWSER } from './site.js';
import { tinyModel } from './tiny.js';

const ADDRESS = '/models/SmolLM2-135M-Instruct.Q4_1.gguf';
const METHODS = ['full', 'h2o'];
const TOKENS = 6;

/** Each says what happened, and after each the page runs a text. */
describe('the page after a failure', { skip: SKIP_BROWSER, timeout: 300_000 }, () => {
  const model = tinyModel();
  let line;
  let browser;
  before(async () => {
    line = await badLine({ '/': at('../../www/dist') }, ADDRESS, model);
    browser = await launch(CHROME, WEBGPU);
  });
  after(async () => {
    await browser?.close();
    line?.close();
  });

  /** A visitor of its own, with nothing kept. */
  async function visit(prepare = async (_seen) => undefined) {
    const seen = await openPage(browser, line.origin);
    await prepare(seen);
    await seen.page.goto(`${line.origin}/?test`);
    await seen.page.locator('[data-method="full"]').waitFor();
    line.asked.length = 0;
    return seen;
  }
  const load = (page) => page.getByRole('button', { name: /^Load Smol/ }).click();
  const ready = (page) => page.getByText(/^2 layers/).waitFor();
  const fill = (page, tokens = TOKENS) => fillIn(page, { methods: METHODS, text: 'abc '.repeat(10), tokens });
  const start = (page) => page.getByRole('button', { name: 'Run', exact: true }).click();
  /** Until the prompt is prepared, the recorded run is there, whose steps are not this one's. */
  async function begun(page) {
    await page.locator('[data-recorded]').waitFor({ state: 'detached' });
    await page.waitForFunction(() => window.__attnscope.state().step > 2);
  }

  /** Runs a text, in which every method says all it was asked for. */
  async function goesOn(page, tokens = TOKENS) {
    await fill(page, tokens);
    await run(page);
    await said(page, tokens);
  }
  async function said(page, tokens) {
    const { tracks } = await page.evaluate(() => window.__attnscope.state());
    for (const { name, said, end } of tracks) if (end !== 'eos') assert.equal(said.length, tokens, name);
    assert.deepEqual(
      tracks.map(({ name }) => name),
      METHODS,
    );
    assert.deepEqual(await page.locator('[role="alert"]').allTextContents(), []);
  }

  it('left in the middle of a download, it goes on there', async () => {
    const { page, context } = await visit();
    line.stopAt(200_000);
    await load(page);
    await page.getByText('200 kB of').waitFor();
    line.stopAt();
    await page.reload();
    await page
      .locator('[data-kept="part"]')
      .getByText(/200 kB of .* are here/)
      .waitFor();
    await load(page);
    await ready(page);
    assert.deepEqual(line.asked, [0, 200_000]);
    await goesOn(page);
    await context.close();
  });

  it('without a network, it says so and tries again', async () => {
    const { page, context } = await visit();
    await context.setOffline(true);
    await load(page);
    const banner = page.locator('[data-code="network"]');
    await banner.getByText(/Are you offline\?/).waitFor();
    await context.setOffline(false);
    await banner.getByRole('button', { name: 'Try again' }).click();
    await ready(page);
    await goesOn(page);
    await context.close();
  });

  it('where what was kept is damaged, it downloads that again and says so', async () => {
    const { page, context } = await visit();
    await load(page);
    await ready(page);
    await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('attnscope');
      for await (const [name, handle] of folder.entries()) {
        if (!name.endsWith('.gguf')) continue;
        const { size } = await handle.getFile();
        const file = await handle.createWritable({ keepExistingData: true });
        await file.write({ type: 'write', position: size >> 1, data: new Uint8Array(8).fill(0xaa) });
        await file.close();
      }
    });
    await page.reload();
    await load(page);
    await ready(page);
    await page.locator('[data-notice="The model had to be downloaded again"]').waitFor();
    assert.deepEqual(line.asked, [0, 0]);
    await goesOn(page);
    await context.close();
  });

  it('with no room left, it runs from memory and says so', async () => {
    const { page, context } = await visit();
    const session = await context.newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: line.origin, quotaSize: 100_000 });
    await load(page);
    await ready(page);
    await page.locator('[data-notice="The model runs from memory"]').waitFor();
    await goesOn(page);
    await context.close();
  });

  it('without WebGPU, it refuses what wants it and computes on the CPU', async () => {
    // The engine asks in its worker, the page in its own.
    const gone = 'delete Object.getPrototypeOf(navigator).gpu';
    const { page, context } = await visit(async (seen) => {
      await seen.page.addInitScript(gone);
      await first(seen.context, gone);
    });
    await page
      .locator('[data-lost="webgpu"]')
      .getByText(/computed on the CPU/)
      .waitFor();
    await load(page);
    await ready(page);
    await page.getByLabel('Compute on').selectOption('gpu');
    await page.locator('[data-gpu="none"]').waitFor();
    await fill(page);
    await start(page);
    const banner = page.locator('[data-code="gpu"]');
    await banner.getByText(/The GPU cannot be used/).waitFor();
    await banner.getByLabel('Close this message').click();
    await page.getByLabel('Compute on').selectOption('cpu');
    await goesOn(page);
    await context.close();
  });

  it('when the device is lost, it goes on on the CPU, keeps the text and says so', async () => {
    const { page, context } = await visit(({ context }) => first(context, KEEP_DEVICE));
    await load(page);
    await ready(page);
    await page.getByLabel('Compute on').selectOption('gpu');
    await page.locator('[data-gpu="there"]').waitFor({ timeout: 60_000 });
    const tokens = 24;
    await fill(page, tokens);
    await start(page);
    await begun(page);
    const early = await page.evaluate(() => window.__attnscope.state().tracks.map(({ said }) => said));
    await engine(page).evaluate(() => globalThis.device.destroy());
    await finished(page);
    const computed = page.locator('[data-computed]');
    await computed.getByText(/Full attention on the CPU: GPU: .*; H2O on the CPU: GPU: /).waitFor();
    assert.ok(early.every((said) => said.length > 0 && said.length < tokens));
    const { tracks } = await page.evaluate(() => window.__attnscope.state());
    for (const [i, { said, name }] of tracks.entries())
      assert.deepEqual(said.slice(0, early[i].length), early[i], name);
    await said(page, tokens);
    // A new device takes its place.
    await goesOn(page);
    assert.equal(await computed.count(), 0);
    await context.close();
  });

  it('when the engine dies, it starts another and keeps what was written', async () => {
    const { page, context } = await visit();
    await load(page);
    await ready(page);
    await fill(page, 400);
    await start(page);
    await begun(page);
    await engine(page).evaluate(() => {
      setTimeout(() => {
        throw new Error('as if out of order');
      });
    });
    const banner = page.locator('[data-code="worker"]').first();
    await banner.getByText(/as if out of order/).waitFor();
    const { step } = await page.evaluate(() => window.__attnscope.state());
    assert.ok(step > 2 && step < 400, `${step}`);
    await banner.getByRole('button', { name: 'Try again' }).click();
    await ready(page);
    await goesOn(page);
    await context.close();
  });

  it('with a model of two layers, it draws it', async () => {
    const { page, context, errors } = await visit();
    await load(page);
    await ready(page);
    await goesOn(page);
    assert.deepEqual(errors, []);
    assert.equal(await page.locator('canvas[data-map="h2o"]').count(), 1);
    await context.close();
  });
});

const engine = (page) => page.workers().at(-1);

/** Runs a line before the engine's worker. */
async function first(context, code) {
  await context.route('**/worker-*.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${code};${await response.text()}` });
  });
}

const KEEP_DEVICE = `{
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    globalThis.device = await request.apply(this, given);
    return globalThis.device;
  };
}`;
