import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { readTraceFile } from 'attnscope/trace';
import { readMap, readTrace } from './canvas.js';
import {
  choose,
  clickMap,
  exported,
  fillIn,
  finished,
  loadModel,
  openTrace,
  run,
  setBudget,
  soon,
  verdictOf,
} from './controls.js';
import { opensAgain } from './reopened.js';
import { replay } from './replay.js';
import { at, MODEL, SKIP, site, staysQuiet } from './site.js';

const METHODS = ['full', 'h2o', 'quant_spec'];
const PROMPT = 'One, two, "three", four, five, six, seven, eight, nine, ten, eleven, twelve,';
const TOKENS = 10;

describe('what is exported of a run', {
  skip: SKIP,
  timeout: 300_000,
}, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
    await fillIn(page, { methods: METHODS, budget: 16, text: PROMPT, tokens: TOKENS });
    await run(page);
    await page.getByRole('button', { name: 'Storage' }).click();
    await page.getByRole('slider', { name: 'Token', exact: true }).fill('6');
    await clickMap(page, 'h2o', 0.2, 0.5);
    await page.locator('[data-mask="h2o"]').waitFor();
  });

  const state = (of) => of.evaluate(() => window.__attnscope.state());

  it('a trace file, which opens to the same state where there is no model', async () => {
    const { name, bytes } = await exported(page, /^Trace file/);
    assert.equal(name, 'attnscope-own.attn');
    const { prompt } = await readTraceFile(bytes);
    assert.equal(prompt.map(({ text }) => text).join(''), PROMPT);
    const other = await built.visit('?test');
    await openTrace(other.page, { name, bytes });
    await other.page.locator('[data-mask="h2o"]').waitFor();
    const wanted = await state(page);
    assert.deepEqual(wanted.look.cell.track, 1);
    assert.equal(wanted.look.step, 6);
    await soon(async () => assert.deepEqual(await state(other.page), wanted));
    const [here, there] = [await readTrace(page), await readTrace(other.page)];
    assert.deepEqual(there.traces, here.traces);
    await soon(async () => {
      for (const method of METHODS) {
        assert.deepEqual(await readMap(other.page, method), await readMap(page, method), method);
        assert.equal(await verdictOf(other.page, method), await verdictOf(page, method));
      }
      assert.deepEqual(await readMap(other.page, 'h2o', 'mask'), await readMap(page, 'h2o', 'mask'));
    });
    assert.deepEqual(other.errors, []);
    await other.context.close();
  });

  it('a link, which leads to the same state once it is run', async () => {
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByText(/^The link is/).waitFor();
    const { search, hash } = new URL(page.url());
    const other = await built.visit(search + hash);
    await loadModel(other.page);
    await run(other.page);
    await other.page.locator('[data-mask="h2o"]').waitFor();
    await soon(async () => assert.deepEqual(await state(other.page), await state(page)));
    assert.deepEqual(other.errors, []);
    await other.context.close();
  });

  it('numbers of every step, which are those of the trace', async () => {
    const { name, bytes } = await exported(page, /^Numbers of every step/);
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
      // All but the first are compared with it; what drops something is not the same.
      const kl = value('kl_from_first');
      if (value('method') === METHODS[0]) assert.equal(kl, '');
      else assert.ok(kl !== '' && Number(kl) > -1e-9, kl);
    }
    assert.ok(rows.some((row) => Number(row[head.indexOf('kl_from_first')]) > 1e-6));
  });

  it('a picture at twice the size', async () => {
    const { name, bytes } = await exported(page, /^Picture of the maps/);
    assert.equal(name, 'attnscope-own.png');
    assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
    const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    assert.ok(width > 2000 && height > 700 && width % 2 === 0 && height % 2 === 0, `${width} x ${height}`);
    writeFileSync(at('../../artifacts/picture.png'), bytes);
  });

  it('a conversation in which each wrote its own, with every message where it was', async () => {
    const own = await built.visit('?test');
    await loadModel(own.page);
    await choose(own.page, ['full', 'h2o']);
    await setBudget(own.page, 16);
    await own.page.getByLabel('each writes its own').check();
    await own.page.getByLabel('Prompt', { exact: true }).selectOption('conversation');
    await own.page.getByLabel('Tokens to generate').fill('12');
    await run(own.page);
    for (const _ of [2, 3]) {
      await own.page.getByRole('button', { name: 'Send this', exact: true }).click();
      await finished(own.page);
    }
    const { step, tracks } = await state(own.page);
    const begins = tracks.map(({ turns }) => turns.map((turn) => turn.step));
    assert.deepEqual(begins[1], begins[0]);
    assert.equal(begins[0].length, 2);
    // The last of an answer, where one may have ended before the other, and the first of the next, which read a message.
    const steps = begins[0].flatMap((first) => [first - 1, first]);
    assert.ok(steps[0] > 0 && steps.at(-1) < step, `${steps} of ${step}`);
    await opensAgain(built, own.page, { methods: ['full', 'h2o'], steps }, async (other) => {
      assert.equal(await other.locator('[data-stream] q').count(), 4);
    });
    assert.deepEqual(own.errors, []);
    await own.context.close();
  });

  staysQuiet(() => seen);
});

/** A line of comma-separated values. */
function fields(line) {
  const found = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)];
  return found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}
