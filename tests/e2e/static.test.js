import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { soon } from './controls.js';
import { at, SKIP_BROWSER, site } from './site.js';

const DIST = at('../../www/dist');
/** What a visitor downloads of JavaScript, workers too. */
const MOST_SCRIPT = 130_000;
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self' 'wasm-unsafe-eval'",
  'worker-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'connect-src': "'self' https:",
  'base-uri': "'none'",
  'form-action': "'none'",
};

describe('the built page on a plain host', {
  skip: SKIP_BROWSER,
  timeout: 180_000,
}, () => {
  // Any file that is no page will do as one that is no model.
  const built = site(at('../../www/public/favicon.svg'));

  async function visit(query, prepare) {
    const seen = await built.visit(query, { prepare });
    await seen.page.locator('[data-recorded="bundled"]').waitFor();
    return seen;
  }

  it('has a strict policy, and no script in its markup', () => {
    const html = readFileSync(join(DIST, 'index.html'), 'utf8');
    const [, policy] = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(html) ?? [];
    const directives = Object.fromEntries((policy ?? '').split(/;\s*/).map((part) => part.split(/ (.*)/s).slice(0, 2)));
    assert.deepEqual(directives, POLICY);
    const tags = html.match(/<script[^>]*>/g) ?? [];
    assert.ok(tags.length > 0);
    for (const tag of tags) assert.match(tag, /\ssrc="\.\//);
    assert.doesNotMatch(html, /\s(on\w+|style)=/);
  });

  it(`loads at most ${MOST_SCRIPT} bytes of scripts, compressed`, async () => {
    const nameOf = (url) => new URL(url).pathname.split('/').at(-1) ?? '';
    const names = new Set();
    const { page, context } = await visit('', (page) => {
      page.on('response', (response) => response.url().endsWith('.js') && names.add(nameOf(response.url())));
    });
    // By then the worker has loaded its own, too.
    await page.locator('[data-method="full"]').waitFor();
    const workers = page.workers().map((worker) => nameOf(worker.url()));
    assert.ok(workers.length > 0 && workers.every((name) => names.has(name)), `${workers} of ${[...names]}`);
    const loaded = [...names].map((name) => [name, gzipSync(readFileSync(join(DIST, 'assets', name))).length]);
    const all = loaded.reduce((sum, [, size]) => sum + size, 0);
    assert.ok(loaded.length > 2 && all <= MOST_SCRIPT, `${all} bytes: ${loaded.join(' ')}`);
    await context.close();
  });

  it('works below any folder, without isolation, and obeys its policy', async () => {
    const paths = [];
    const isolating = [];
    const { page, context, errors, foreign } = await visit('', (page) => {
      page.on('response', (response) => {
        paths.push(new URL(response.url()).pathname);
        isolating.push(...Object.keys(response.headers()).filter((name) => name.startsWith('cross-origin-')));
      });
    });
    await page.locator('[data-method="full"]').waitFor();
    assert.deepEqual(isolating, []);
    assert.ok(paths.length > 3, `${paths}`);
    assert.equal(await page.evaluate(() => window.crossOriginIsolated), false);
    assert.deepEqual(
      paths.filter((path) => !path.startsWith('/some/folder/')),
      [],
    );
    assert.deepEqual([errors, foreign], [[], []]);
    // What an injected script could try, counted by the one who would hear of it.
    let heard = 0;
    const other = createServer((_, response) => {
      heard++;
      response.writeHead(200, { 'access-control-allow-origin': '*' }).end();
    });
    await new Promise((resolve) => other.listen(0, 'localhost', resolve));
    const tried = await page.evaluate(async (to) => {
      const script = document.createElement('script');
      script.textContent = 'window.inline = true';
      document.head.append(script);
      const sent = await fetch(to).then(
        () => true,
        () => false,
      );
      const image = await new Promise((resolve) => {
        const picture = new Image();
        picture.onload = () => resolve(true);
        picture.onerror = () => resolve(false);
        picture.src = to;
      });
      return { inline: 'inline' in window, sent, image };
    }, `http://localhost:${other.address().port}/`);
    other.close();
    assert.deepEqual(tried, { inline: false, sent: false, image: false });
    assert.equal(heard, 0);
    await context.close();
  });

  it('asks another site for the model that was named there, on a tap, and for nothing else', async () => {
    const MODEL = 'https://models.example/folder/m.gguf';
    const asked = [];
    const { page, context, foreign } = await visit('', async (page) => {
      await page.route('https://models.example/**', (route) => {
        asked.push(route.request().method());
        return route.fulfill({ headers: { 'access-control-allow-origin': '*' }, body: 'no model at all' });
      });
    });
    await page.locator('[data-method="full"]').waitFor();
    await page.getByText('From another address').click();
    const address = page.getByLabel(/Address of a GGUF file/);
    await address.fill(MODEL);
    await address.blur();
    await soon(() => assert.deepEqual(asked, ['HEAD']));
    await page.getByRole('button', { name: /^Load m/ }).click();
    await page.locator('[data-code="not_gguf"]').waitFor();
    assert.equal(asked.filter((method) => method === 'GET').length, 1);
    assert.deepEqual([...new Set(foreign)], [MODEL]);
    // Another visit remembers the address and does not use it.
    asked.length = 0;
    await page.reload();
    await page.locator('[data-method="full"]').waitFor();
    assert.deepEqual(asked, []);
    await context.close();
  });

  it('says that it is offline, and tries again', async () => {
    const { page, context } = await visit();
    await page.locator('[data-method="full"]').waitFor();
    await context.setOffline(true);
    await page.getByRole('button', { name: /^Load Smol/ }).click();
    const banner = page.locator('[data-code="network"]');
    await banner.getByText(/Are you offline\?/).waitFor();
    assert.equal(await page.locator('canvas[data-map]').count(), 4);
    await context.setOffline(false);
    await banner.getByRole('button', { name: 'Try again' }).click();
    await page.locator('[data-code="not_gguf"]').waitFor();
    await context.close();
  });

  it('says what is lost without WebGPU, once', async () => {
    const without = (page) => page.addInitScript(() => delete Object.getPrototypeOf(navigator).gpu);
    const { page, context, errors } = await visit('', without);
    const remark = page.locator('[data-lost="webgpu"]');
    await remark.getByText(/computed on the CPU/).waitFor();
    await page.locator('[data-method="full"]').waitFor();
    await page.getByLabel('Compute on').selectOption('gpu');
    await page.locator('[data-gpu="none"]').waitFor();
    assert.match((await page.locator('[data-gpu="none"]').textContent()) ?? '', /GPU/);
    await remark.getByRole('button', { name: 'I have read this' }).click();
    await page.reload();
    await page.locator('[data-recorded="bundled"]').waitFor();
    assert.equal(await remark.count(), 0);
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('plays recorded runs without SIMD, and says that the engine needs it', async () => {
    const without = (page) =>
      page.addInitScript(() => {
        WebAssembly.validate = () => false;
      });
    const { page, context, errors } = await visit('', without);
    await page.locator('[data-code="simd"]').waitFor();
    const file = readFileSync(at('../../www/src/recorded.attn'));
    await page.getByLabel('File to open').setInputFiles({ name: 'mine.attn', mimeType: '', buffer: file });
    await page.locator('[data-recorded="mine.attn"]').waitFor();
    assert.equal(await page.locator('canvas[data-map]').count(), 4);
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('leaves out what a lecturer hides', async () => {
    const hidden = ['header', '.article', '#preset', '[data-method]', '#budget', '#numbers', 'aside'];
    const all = await visit();
    // Each is there for everybody else.
    for (const part of hidden) await all.page.locator(part).filter({ visible: true }).first().waitFor();
    await all.context.close();
    const { page, context, errors } = await visit(
      '?hide=header,model,prompt,methods,settings,article,charts,inspector',
    );
    await page.locator('canvas[data-map]').first().waitFor();
    await page.locator('[data-method="full"]').waitFor({ state: 'attached' });
    for (const gone of hidden) {
      assert.equal(await page.locator(gone).filter({ visible: true }).count(), 0, gone);
    }
    await page.getByRole('slider', { name: 'Token', exact: true }).waitFor();
    await page.screenshot({ path: at('../../artifacts/hidden.png'), fullPage: true });
    await page.goto(`${built.url}?hide=nothing`);
    await page.getByText('There is no part “nothing” to hide').waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });
});
