import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { load } from 'attnscope';
import { History, writeTraceFile } from 'attnscope/trace';
import { define } from 'attnscope/view';
import { soon } from './controls.js';
import { replay } from './replay.js';
import { scope } from './scope.js';
import { at, MODEL, SKIP, staysQuiet } from './site.js';

const METHODS = [
  { method: 'full', title: 'Full attention', params: {} },
  { method: 'h2o', title: 'H2O', params: { heavy: 24, recent: 24 } },
  { method: 'quest', title: 'Quest', params: { page: 4, budget: 16, recent: 8 } },
];
const STEPS = 40;
const PROMPT = 'One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve,';

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
  let recorded;
  let page;
  const shown = scope(async () => {
    const model = await load(MODEL);
    recorded = await record(model);
    await model.close();
    return { 'run.attn': await writeTraceFile(recorded), 'bad.attn': '<!doctype html><p>not a trace' };
  });
  const { element, seek, readCells } = shown;
  before(() => {
    page = shown.seen.page;
  });
  const step = () => element().evaluate((element) => element.step);

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
    assert.equal(await element().evaluate((element) => element.playing), false);
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
    await element().evaluate((element) => element.setAttribute('trace', 'bad.attn'));
    await alert.getByText('not a trace file').waitFor();
    await element().evaluate((element) => element.setAttribute('trace', 'favicon.ico?'));
    await alert.waitFor();
    await element().evaluate(async (element) => {
      const bytes = await (await fetch('run.attn')).arrayBuffer();
      element.trace = bytes.slice(0, bytes.byteLength - 100);
    });
    await alert.getByText('ends too early').waitFor();
    await element().evaluate(async (element) => {
      element.trace = new File([await (await fetch('run.attn')).blob()], 'run.attn');
    });
    await page.getByRole('slider').waitFor();
  });

  staysQuiet(() => shown.seen);
});
