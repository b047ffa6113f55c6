import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { load } from 'attnscope';
import { History, writeTraceFile } from 'attnscope/trace';
import { COLOURS, define, MODE_STATES } from 'attnscope/view';
import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { soon } from './controls.js';
import { replay } from './replay.js';
import { at, CHROME, MODEL, SKIP, staysQuiet } from './site.js';

const METHODS = [
  { method: 'full', title: 'Full attention', params: {} },
  { method: 'h2o', title: 'H2O', params: { heavy: 24, recent: 24 } },
  { method: 'quest', title: 'Quest', params: { page: 4, budget: 16, recent: 8 } },
];
const STEPS = 40;
const PROMPT = 'One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve,';

const HTML = `<!doctype html><meta charset="utf-8"><title>test</title><body>
<attn-scope trace="run.attn"></attn-scope>
<script type="module">
  import { define } from './attnscope/view.js';
  const element = document.querySelector('attn-scope');
  window.loaded = new Promise((resolve, reject) => {
    element.addEventListener('load', resolve, { once: true });
    element.addEventListener('error', (event) => reject(event.detail), { once: true });
  });
  define();
</script>`;

/** A run of several methods on the same tokens; `blocks` has those of each step. */
async function record(model) {
  const prompt = await model.encode(PROMPT, { begin: true });
  const token = async (id) => ({ id, text: await model.decode([id]) });
  const tracks = [];
  for (const { method, title, params } of METHODS) {
    const session = await model.session({ method, params });
    const history = new History(model.info);
    const blocks = [];
    let step = [];
    const add = (block) => {
      history.add(block);
      step.push(block);
    };
    const onProgress = ({ trace }) => trace && add(trace);
    const run = session.generate(prompt, { maxTokens: STEPS, trace: 'weights', onProgress });
    const steps = [];
    for (let i = 0; i < STEPS; i++) {
      const { value } = await run.next(tracks[0]?.steps[i - 1]?.id);
      if (!value) break;
      add(value.trace);
      history.close();
      steps.push(await token(value.id));
      blocks.push(step);
      step = [];
    }
    await run.return();
    await session.close();
    tracks.push({ method, title, params, steps, tokensPerSecond: null, history, blocks });
  }
  const texts = await Promise.all([...prompt].map(token));
  return { model: model.info, prompt: texts, settings: { sameTokens: true }, tracks };
}

describe('<attn-scope> with a recorded run', {
  skip: SKIP,
  timeout: 300_000,
}, () => {
  let folder;
  let recorded;
  let server;
  let browser;
  let page;
  let seen;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'attnscope-element-'));
    const model = await load(MODEL);
    recorded = await record(model);
    await model.close();
    writeFileSync(join(folder, 'run.attn'), await writeTraceFile(recorded));
    writeFileSync(join(folder, 'index.html'), HTML);
    writeFileSync(join(folder, 'bad.attn'), '<!doctype html><p>not a trace');
    const mounts = {
      '/': folder,
      '/attnscope/': at('../../pkg/dist'),
      '/favicon.ico': at('../../www/public/favicon.svg'),
    };
    server = await listen(mounts, 0);
    browser = await launch(CHROME);
    seen = await openPage(browser, new URL(server.url).origin);
    page = seen.page;
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(server.url);
    await page.evaluate(() => window.loaded);
  });
  after(async () => {
    await browser?.close();
    server?.server.closeAllConnections();
    server?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const scope = () => page.locator('attn-scope');
  const step = () => scope().evaluate((element) => element.step);
  const seek = (to) =>
    scope().evaluate((element, to) => {
      const drawn = new Promise((resolve) => {
        const check = ({ detail }) => {
          if (detail !== to) return;
          element.removeEventListener('step', check);
          resolve();
        };
        element.addEventListener('step', check);
      });
      element.step = to;
      return drawn;
    }, to);

  /** States by the pixels of a map, which has one position a column here. */
  async function readCells(method, mode, theme = 'light') {
    const { width, height, pixels } = await scope().evaluate((element, method) => {
      const canvas = element.shadowRoot.querySelector(`canvas[data-map="${method}"]`);
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      return { width, height, pixels: [...new Uint32Array(data.buffer)] };
    }, method);
    const names = new Map(
      [...MODE_STATES[mode], 'empty'].map((name) => {
        const n = Number.parseInt(COLOURS[theme][name].slice(1), 16);
        return [(0xff000000 | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0, name];
      }),
    );
    return { width, height, cells: pixels.map((pixel) => names.get(pixel) ?? pixel.toString(16)) };
  }

  it('can be imported where there is no page', () => {
    assert.doesNotThrow(() => define());
  });

  it('draws exactly what the trace says, at any step and in every mode', async () => {
    const { model: info, prompt, tracks } = recorded;
    for (const to of [0, 33, 7, tracks[0].steps.length - 1]) {
      await seek(to);
      const lead = replay(info, tracks[0].blocks.slice(0, to + 1).flat());
      for (const mode of ['reads', 'storage', 'weights', 'difference']) {
        const title = {
          reads: 'Reads',
          storage: 'Storage',
          weights: 'Weights',
          difference: 'Difference to Full attention',
        }[mode];
        await page.getByRole('button', { name: title }).click();
        for (const { method, blocks } of tracks) {
          const told = replay(info, blocks.slice(0, to + 1).flat());
          const want = {
            reads: told.reads,
            storage: told.storage,
            weights: told.weights,
            difference: told.differs(lead),
          }[mode];
          const heads = mode === 'storage' ? info.kvHeads : info.queryHeads;
          await soon(async () => {
            const { width, height, cells } = await readCells(method, mode);
            assert.equal(width, prompt.length + STEPS);
            assert.equal(height, info.layers * heads);
            const wrong = cells.flatMap((state, i) => {
              const [row, position] = [Math.floor(i / width), i % width];
              const is = want(Math.floor(row / heads), row % heads, position);
              return state === is
                ? []
                : [`${method} ${mode} step ${to} row ${row} position ${position}: ${state}, not ${is}`];
            });
            assert.deepEqual(wrong.slice(0, 5), []);
          });
        }
      }
    }
    await page.getByRole('button', { name: 'Reads' }).click();
    await page.screenshot({ path: at('../../artifacts/element-light.png'), fullPage: true });
  });

  it('says in words what it draws', async () => {
    const label = await page.getByRole('img', { name: /^H2O\. / }).getAttribute('aria-label');
    assert.match(label ?? '', /rows dropped/);
    assert.match(label ?? '', new RegExp(`of ${recorded.prompt.length + STEPS - 1} positions|Reads all`));
    // What lies over a map is for the eye; the line in words has it.
    assert.equal(await page.locator('canvas:not([role="img"][aria-label], [aria-hidden="true"])').count(), 0);
    await seek(9);
    const says = await page.getByRole('slider').getAttribute('aria-valuetext');
    assert.ok(says?.startsWith('step 10') && says.includes(recorded.tracks[0].steps[9].text), says ?? '');
  });

  it('goes through the steps by keys, plays, and follows a click on a token', async () => {
    const slider = page.getByRole('slider');
    await slider.focus();
    await seek(3);
    await slider.press('ArrowRight');
    assert.equal(await step(), 4);
    await slider.press('ArrowLeft');
    await slider.press('ArrowLeft');
    assert.equal(await step(), 2);
    await slider.press('Home');
    assert.equal(await step(), 0);
    await slider.press('Shift+ArrowRight');
    const first = await step();
    const { steps } = recorded.tracks[1].history;
    assert.ok(first > 0 && steps[first].events.length > 0 && steps[first - 1].events.length === 0, `event at ${first}`);
    await slider.press('End');
    assert.equal(await step(), STEPS - 1);
    await page.locator('[data-step="5"]').click();
    assert.equal(await step(), 5);
    await slider.focus();
    await slider.press(' ');
    await page.waitForFunction(() => document.querySelector('attn-scope').step >= 7);
    await slider.press(' ');
    assert.equal(await scope().evaluate((element) => element.playing), false);
  });

  it('follows the colours of the system', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await seek(12);
    const { cells } = await readCells('full', 'reads', 'dark');
    assert.deepEqual([...new Set(cells)].sort(), ['empty', 'read']);
    await page.screenshot({ path: at('../../artifacts/element-dark.png'), fullPage: true });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  it('says what is wrong with a file, inside, and takes another one', async () => {
    const alert = page.getByRole('alert');
    await scope().evaluate((element) => element.setAttribute('trace', 'bad.attn'));
    await alert.getByText('not a trace file').waitFor();
    await scope().evaluate((element) => element.setAttribute('trace', 'favicon.ico?'));
    await alert.waitFor();
    await scope().evaluate(async (element) => {
      const bytes = await (await fetch('run.attn')).arrayBuffer();
      element.trace = bytes.slice(0, bytes.byteLength - 100);
    });
    await alert.getByText('ends too early').waitFor();
    await scope().evaluate(async (element) => {
      element.trace = new File([await (await fetch('run.attn')).blob()], 'run.attn');
    });
    await page.getByRole('slider').waitFor();
  });

  staysQuiet(() => seen);
});
