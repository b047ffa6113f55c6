import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open } from 'attnscope';
import { launch, openPage } from './browser.js';
import { serve } from './server.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const KOREAN = { locale: 'ko-KR', reducedMotion: 'reduce' };
const PHONE = { viewport: { width: 320, height: 640 }, hasTouch: true };
/** Names, units and keys, which Korean texts have as they are; those of the methods and their values come from the engine. */
const NAMES = [
  ...[
    'attnscope',
    'English',
    'Language',
    'SmolLM2-135M-Instruct.Q4_1',
    'SmolLM2-135M',
    'Smollm2 135M 8k Lc100K Mix1 Ep2',
    'Llama',
    'KVCache-Factory',
  ],
  ...['KV', 'GGUF', 'CPU', 'WebGPU', 'GPU', 'PNG', 'CSV', 'WebAssembly', 'SIMD', 'arXiv', 'https:', 'f16', 'sketch'],
  ...['MB', 'kB', 'GB', 'dB', 'Esc', 'Escape', 'Enter', 'Tab', 'Shift', 'Page Up', 'Page Down', 'Home', 'End', 'beta'],
];

describe('the page in Korean', {
  skip: CHROME ? false : 'not run: CHROME not set',
  timeout: 300_000,
}, () => {
  let server;
  let browser;
  let methods;
  before(async () => {
    // Any file will do as one that must not be fetched.
    server = await serve(at('../../www/dist'), at('../../www/index.html'));
    browser = await launch(CHROME);
    const engine = await open();
    methods = engine.methods;
    await engine.close();
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  async function visit(options = KOREAN, query = '') {
    const seen = await openPage(browser, server.origin, options);
    await seen.page.goto(server.url + query);
    await settled(seen.page);
    return seen;
  }
  async function settled(page) {
    await page.locator('[data-recorded="bundled"]').waitFor();
    await page.locator('[data-method="full"]').waitFor();
    await page.locator('[data-article]').first().waitFor({ state: 'attached' });
    await page.waitForFunction(() => document.querySelector('canvas[data-map]')?.width > 1);
  }
  const lang = (page) => page.evaluate(() => document.documentElement.lang);

  it('has Korean for every text of every method', () => {
    const folder = at('../../www/src/words/ko');
    const read = (name) => JSON.parse(readFileSync(`${folder}/${name}.json`, 'utf8'));
    const known = { ...read('registry'), ...read('controls'), ...read('run'), ...read('view'), ...read('messages') };
    const texts = methods.flatMap(({ summary, params }) => [
      summary,
      ...params.flatMap(({ help, unit }) => [help, unit]),
    ]);
    assert.deepEqual(
      texts.filter((text) => text !== '' && !(text in known)),
      [],
    );
    const allowed = methods.flatMap(({ params }) =>
      params.filter(({ kind }) => kind !== 'choice').map((p) => p.allowed),
    );
    const places = (text) => {
      let n = 0;
      return text.replace(/-?\d+(\.\d+)?/g, () => `{n${++n}}`);
    };
    assert.deepEqual(
      [...new Set(allowed.map(places))].filter((text) => !(text in known)),
      [],
    );
  });

  it('follows the browser, and says nothing in English but names', async () => {
    const { page, context, errors, foreign } = await visit();
    assert.equal(await lang(page), 'ko');
    assert.match(await page.title(), /[가-힣]/);
    const own = methods.flatMap(({ title, name, params }) => [
      ...[title, name],
      ...params.flatMap((param) => [
        param.name,
        ...(param.choices ?? []),
        param.kind === 'choice' ? param.allowed : '',
      ]),
    ]);
    // The page writes values with spaces.
    const both = [...NAMES, ...own].flatMap((name) => [name, name.replaceAll('_', ' ')]);
    const names = both.filter(Boolean).sort((a, b) => b.length - a.length);
    const english = () => page.evaluate(readLatin, names);
    assert.deepEqual(await english(), []);
    // With everything unfolded, all methods chosen, a cell held and pinned, and what needs a click.
    const others = page.locator('[data-method][aria-pressed="false"]');
    while ((await others.count()) > 0) await others.first().click();
    const folded = page.locator('main details:not([open]) > summary:visible');
    while ((await folded.count()) > 0) await folded.first().click();
    await page.getByLabel('가드:').check();
    await hold(page);
    await page.getByRole('button', { name: '이 셀 핀 고정' }).click();
    for (const mode of ['저장', '가중치', /대비 차이$/, '읽기']) {
      await page.getByRole('button', { name: mode, exact: true }).first().click();
      assert.deepEqual(await english(), []);
    }
    await page.getByRole('button', { name: '공유' }).click();
    await page.locator('[data-notice]').waitFor();
    await page.locator('summary', { hasText: '내보내기' }).click();
    assert.deepEqual(await english(), []);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: '단축키' }).click();
    assert.deepEqual(await english(), []);
    assert.deepEqual([errors, foreign], [[], []]);
    await context.close();
  });

  it('tells the same numbers as in English, at every step', async () => {
    const korean = await visit();
    const english = await visit({ reducedMotion: 'reduce' });
    assert.equal(await lang(english.page), 'en');
    const slider = (page) => page.locator('#timeline');
    const last = Number(await slider(korean.page).getAttribute('max'));
    for (let step = 0; step <= last; step += 3) {
      const [told, meant] = await Promise.all(
        [korean, english].map(async ({ page }) => {
          await slider(page).fill(String(step));
          await page.waitForTimeout(120);
          return page.evaluate(() =>
            [...document.querySelectorAll('[data-verdict], #numbers td')].map((e) => e.textContent ?? ''),
          );
        }),
      );
      assert.ok(told.length > 20 && told.length === meant.length);
      assert.deepEqual(told.map(numbersIn), meant.map(numbersIn), `step ${step}`);
      assert.ok(told.some((line) => /[가-힣]/.test(line)));
    }
    await Promise.all([korean.context.close(), english.context.close()]);
  });

  it('is chosen in the header, at once and for the next visit', async () => {
    const { page, context, errors } = await visit({ reducedMotion: 'reduce' });
    const fetched = [];
    page.on('response', (response) => fetched.push(new URL(response.url()).pathname.split('/').at(-1)));
    const said = () => page.locator('[data-verdict="full"]').textContent();
    const english = await said();
    await page.getByLabel('Language').selectOption('ko');
    await page.getByRole('button', { name: '공유' }).waitFor();
    assert.equal(fetched.length, 1);
    assert.notEqual(await said(), english);
    assert.equal(await lang(page), 'ko');
    // What was counted before is said anew too.
    const label = () => page.locator('#timeline').getAttribute('aria-valuetext');
    assert.match(await label(), /^토큰 \d+/);
    await page.reload();
    await settled(page);
    assert.equal(await lang(page), 'ko');
    await page.getByLabel('언어').selectOption('en');
    await page.getByRole('button', { name: 'Share' }).waitFor();
    assert.deepEqual([await said(), await lang(page)], [english, 'en']);
    await page.reload();
    await settled(page);
    assert.equal(await lang(page), 'en');
    assert.deepEqual(errors, []);
    await context.close();
  });

  it('is asked for by the address, before what the browser says and until something is chosen', async () => {
    const { page, context } = await visit({ reducedMotion: 'reduce' }, '?lang=ko');
    assert.equal(await lang(page), 'ko');
    await page.getByLabel('언어').selectOption('en');
    await page.getByRole('button', { name: 'Share' }).waitFor();
    await page.reload();
    await settled(page);
    assert.equal(await lang(page), 'en');
    await context.close();
  });

  it('stays English, and says why, where the dictionary cannot be fetched', async () => {
    const { page, context } = await visit({ reducedMotion: 'reduce' });
    await context.setOffline(true);
    await page.getByLabel('Language').selectOption('ko');
    await page.getByText('That language could not be fetched').waitFor();
    assert.deepEqual([await lang(page), await page.getByLabel('Language').inputValue()], ['en', 'en']);
    await context.close();
  });

  for (const colorScheme of ['light', 'dark']) {
    it(`breaks no rule of axe, ${colorScheme}`, async () => {
      const { page, context } = await visit({ ...KOREAN, colorScheme });
      await hold(page);
      await page.evaluate(AXE);
      const { violations, passes } = await page.evaluate(() => window.axe.run());
      assert.ok(passes.length > 5);
      assert.deepEqual(
        violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`)),
        [],
      );
      await context.close();
    });
  }

  it('fits 320 pixels', async () => {
    const { page, context } = await visit({ ...KOREAN, ...PHONE });
    await hold(page);
    const folded = page.locator('main details:not([open]) > summary:visible');
    while ((await folded.count()) > 0) await folded.first().click();
    assert.equal(
      await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      0,
    );
    await context.close();
  });
});

async function hold(page) {
  const field = page.locator('.field:visible').last();
  await field.focus();
  for (const key of ['PageDown', 'PageDown', 'ArrowDown', 'Shift+ArrowRight', 'Enter']) await field.press(key);
  await page.locator('[data-mask]').waitFor();
}

/** The numbers of a line, in the order of their size: languages put them in other places. */
function numbersIn(text) {
  const numbers = text.replace(/[\u202f\u00a0]/g, '').match(/\d+(\.\d+)?/g) ?? [];
  return numbers.map(Number).sort((a, b) => a - b);
}

/** What is said in Latin letters besides `names`, on screen and to screen readers. Runs in the page. */
function readLatin(names) {
  // What the model reads and writes, file names and addresses are what they are.
  const FOREIGN =
    'h1, noscript, textarea, code, a, style, script, [data-stream], [data-guesses], input[type="text"], #message';
  const said = [];
  for (const element of document.querySelectorAll('html, body, body *')) {
    if (element.closest(FOREIGN) && !element.matches('[data-stream]')) continue;
    for (const name of ['aria-label', 'title', 'aria-valuetext', 'placeholder']) {
      if (name === 'aria-valuetext' && element.id === 'timeline') continue;
      said.push(element.getAttribute(name) ?? '');
    }
    if (element.closest(FOREIGN)) continue;
    for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) said.push(node.data);
  }
  const bare = (text) =>
    names.reduce((left, name) => left.split(name).join(' '), text.replace(/\S+\.(gguf|attn)|(?<=토큰 ).*(?=: )/g, ''));
  // A single letter is a sign: L17, H4. The token of a held cell is what the model wrote.
  return [...new Set(said)].filter((text) => /[A-Za-z]{2}/.test(bare(text)));
}
