import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { load } from 'attnscope';
import { openPackage } from './package.js';
import { MODEL, SKIP, staysQuiet } from './site.js';

/** Some 400 tokens; the last 64 are the question. */
// What follows is beyond doubt: 8-bit activations and f16 keys turn near-ties by the order of a sum. `tests/cluster.rs`
// asks the same of prose, without either.
const evening = (n) => `Evening ${n}: the lamp at the gate is lit, the lamp at the door is lit.`;
const PROMPT = `The caretaker writes down which lamps are lit.\n${Array.from({ length: 16 }, (_, n) => evening(n + 1)).join('\n')}\nEvening 17: the lamp at`;
const STAR = { method: 'star_attention', ignoreEos: true };

describe('Star Attention on hosts, with the real model', {
  skip: SKIP,
  timeout: 600_000,
}, () => {
  let seen;
  before(async () => {
    seen = await openPackage();
  });
  after(() => seen?.close());

  /** The steps of one run in the browser, without their traces. */
  const run = (hosts) =>
    seen.page.evaluate(
      async ({ hosts, STAR, PROMPT }) => {
        const { load } = await import('/attnscope/index.js');
        const model = await load('/model.gguf', { hosts });
        const session = await model.session(STAR);
        const steps = [];
        for await (const { id, position, text, kvBytes, exchangedBytes } of session.generate(PROMPT, { maxTokens: 16 }))
          steps.push({ id, position, text, kvBytes, exchangedBytes });
        await model.close();
        return steps;
      },
      { hosts, STAR, PROMPT },
    );
  const textOf = (steps) => steps.map(({ text }) => text).join('');
  let one;

  it('is the text of one cache on 1, 2 and 3 workers', async () => {
    one = await run(undefined);
    assert.equal(one.length, 16);
    assert.ok(one[0].position >= 350 && one[0].position <= 450, `a prompt of ${one[0].position} tokens`);
    for (const hosts of [1, 2, 3]) {
      const steps = await run(hosts);
      assert.equal(textOf(steps), textOf(one), `${hosts} hosts`);
      assert.equal(steps[15].kvBytes, one[15].kvBytes, 'every row is kept once');
      // 30 layers, 9 query heads of 64 and a log-sum-exp each, in f32.
      assert.equal(steps[15].exchangedBytes, hosts * 30 * 4 * 9 * 65);
    }
  });

  it('is the same on threads of Node', async () => {
    const model = await load(MODEL, { hosts: 2 });
    const session = await model.session(STAR);
    const steps = [];
    for await (const step of session.generate(PROMPT, { maxTokens: 16 })) steps.push(step);
    await model.close();
    assert.equal(textOf(steps), textOf(one));
  });

  it('ends in time when a worker is killed, and says so again', async () => {
    const { code, again, took, left } = await seen.page.evaluate(
      async ({ STAR, PROMPT }) => {
        const { load } = await import('/attnscope/index.js');
        const workers = [];
        const worker = () => {
          const made = new Worker('/attnscope/worker.js', { type: 'module' });
          workers.push(made);
          return made;
        };
        const model = await load('/model.gguf', { hosts: 3, hostTimeout: 3000, worker });
        const session = await model.session(STAR);
        const steps = session.generate(PROMPT, { maxTokens: 16 });
        await steps.next();
        workers[1].terminate();
        const begun = performance.now();
        const codeOf = (promise) =>
          promise.then(
            () => 'none',
            (error) => error.code,
          );
        const code = await codeOf(steps.next());
        const took = performance.now() - begun;
        const again = await codeOf(model.session(STAR));
        // A worker that has ended answers nothing.
        const left = await new Promise((resolve) => {
          workers[2].addEventListener('message', () => resolve('alive'));
          workers[2].postMessage({ id: 1, call: 'open', input: {} });
          setTimeout(() => resolve('ended'), 500);
        });
        return { code, again, took, left };
      },
      { STAR, PROMPT },
    );
    assert.deepEqual([code, again, left], ['host', 'host', 'ended']);
    assert.ok(took < 6000, `${took} ms`);
  });

  staysQuiet(() => seen);
});
