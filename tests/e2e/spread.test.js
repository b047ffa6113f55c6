import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Kind, records } from 'attnscope/trace';
import { readTrace } from './canvas.js';
import { fillIn, loadModel, run, soon, verdictOf } from './controls.js';
import { opensAgain } from './reopened.js';
import { MODEL, SKIP, site, staysQuiet } from './site.js';

const evening = (n) => `Evening ${n}: the lamp at the gate is lit, the lamp at the door is lit.`;
const PROMPT = `The caretaker writes down which lamps are lit.\n${Array.from({ length: 16 }, (_, n) => evening(n + 1)).join('\n')}\nEvening 17: the lamp at`;
const TOKENS = 6;
/** Rows of the question, which the registry says. */
const QUESTION = 64;
/** Output and log-sum-exp of a row: 9 heads of 64 and one, in f32. */
const PARTIAL = 4 * 9 * 65;

describe('Star Attention over hosts on the page, with the real model', { skip: SKIP, timeout: 600_000 }, () => {
  const built = site(MODEL);
  let page;
  let seen;
  before(async () => {
    seen = await built.visit('?test');
    page = seen.page;
    await loadModel(page);
    await fillIn(page, { methods: ['full', 'star_attention'], own: true, text: PROMPT, tokens: TOKENS });
  });

  const text = () => page.locator('[data-stream="star_attention"]').textContent();
  const verdict = () => verdictOf(page, 'star_attention');

  it('says the same, shows every host, and what they sent', async () => {
    await run(page);
    const [said, blocks] = [await text(), (await verdict()).split('.')[0]];
    assert.match(said ?? '', /\w/);
    assert.match(blocks, /^Prompt in \d blocks of \d+ \+ anchor \d+$/);
    await page.getByLabel('Star Attention on').selectOption('2 hosts');
    await run(page);
    assert.equal(await text(), said);
    const line = await verdict();
    assert.ok(line.startsWith(`${blocks}. Reads all`), line);
    // Of the question, the last layer has the newest row alone.
    const rows = 30 * (QUESTION + TOKENS - 1) - (QUESTION - 1);
    const sent = 2 * PARTIAL * rows;
    assert.ok(line.endsWith(`Spread over 2 hosts: ${(sent / 1e6).toFixed(1)} MB sent.`), line);
    const lanes = await page.locator('[data-strip="star_attention"]').getAttribute('aria-label');
    const shares = [...(lanes ?? '').matchAll(/host \d (\d+)\u00a0%/g)].map(([, share]) => Number(share));
    assert.equal(shares.length, 2, lanes ?? '');
    assert.ok(Math.abs(shares[0] + shares[1] - 100) <= 1, lanes ?? '');
  });

  it('shows how much of the attention each host found, layer by layer', async () => {
    const { info, traces } = await readTrace(page);
    const { steps } = traces.find(({ method }) => method === 'star_attention');
    const told = [...records(steps.at(-1))].filter(({ kind }) => kind === Kind.share);
    assert.equal(told.length, 2 * info.layers);
    const shares = Array.from({ length: 2 }, (_, host) =>
      told.filter(({ aux }) => aux === host).map(({ a }) => new Float32Array(Uint32Array.of(a).buffer)[0]),
    );
    const bars = await page.locator('canvas[data-shares="star_attention"]').evaluate((canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      // What is before the first gap or the first pixel of another colour.
      return Array.from({ length: height }, (_, y) => {
        const pixel = (x) => data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4).join();
        let x = 0;
        while (x < width && pixel(x) === pixel(0)) x++;
        return x / width;
      });
    });
    assert.equal(bars.length, info.layers);
    for (const [layer, share] of shares[0].entries()) {
      assert.ok(Math.abs(share + shares[1][layer] - 1) < 1e-5, 'all of it is found by somebody');
      assert.ok(Math.abs(bars[layer] - share) < 0.01, `layer ${layer}: ${bars[layer]}, not ${share}`);
    }
    const mean = shares[0].reduce((sum, share) => sum + share, 0) / info.layers;
    const said = await page.locator('#host-shares').textContent();
    assert.ok(said.includes(`host 1: ${Math.round(100 * mean)}\u00a0%`), said);
  });

  it('shows any step of it, and its maps are those of one cache', async () => {
    const pixels = (method) =>
      page
        .locator(`canvas[data-map="${method}"]`)
        .evaluate((canvas) => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].join());
    const newest = await pixels('full');
    await page.getByRole('slider', { name: 'Token', exact: true }).fill('2');
    await page.getByText(`token 3 of ${TOKENS}`).waitFor();
    // Question and answer see everything, as full attention does.
    await soon(async () => {
      const full = await pixels('full');
      assert.ok(full !== newest, 'the slider drew nothing');
      assert.ok((await pixels('star_attention')) === full, 'the maps differ');
      assert.match(await verdict(), /Reads all/);
    });
  });

  it('opens again from a trace file, with every host', async () => {
    const methods = ['full', 'star_attention'];
    await opensAgain(built, page, { methods, steps: [0, 2] }, async (other) => {
      const { tracks } = await other.evaluate(() => window.__attnscope.state());
      const rows = tracks.map(({ hosts }) => hosts.map((host) => host.reduce((sum, n) => sum + n, 0)));
      assert.deepEqual([rows[0].length, rows[1].length], [0, 2]);
      assert.ok(
        rows[1].every((n) => n > 0),
        `${rows[1]}`,
      );
      assert.equal(rows[1][0] + rows[1][1], tracks[1].totals.storedRows);
      const line = await verdictOf(other, 'star_attention');
      assert.match(line, /Spread over 2 hosts: \d+\.\d MB sent\.$/);
    });
  });

  staysQuiet(() => seen);
});
