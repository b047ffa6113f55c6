import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { load } from 'attnscope';
import { tinyModel } from './tiny.js';

/** Methods with all kinds of state, small enough for the text to feel them. */
const METHODS = [
  { method: 'full' },
  { method: 'h2o', params: { heavy: 8, recent: 8 } },
  { method: 'streaming_llm', params: { recent: 12 } },
  { method: 'quant_spec', params: { group_tokens: 8, gamma: 3 } },
  { method: 'scope', params: { prompt_budget: 16, decode_budget: 8 } },
  { method: { select: { name: 'quest', params: { budget: 16, page: 4 } }, retain: 'fifo' }, temperature: 1.2, seed: 3 },
  { method: 'h2o', memory: '24kB', context: 150, topK: 4, temperature: 1 },
];
const TEXT = 'The caretaker writes down which lamps are lit, and which are not: ';

describe('a session that is saved and restored', { timeout: 120_000 }, () => {
  let model;
  before(async () => {
    model = await load(tinyModel());
  });
  after(() => model.close());

  /** Ids and traces of a run. */
  const steps = async (run) => {
    const got = [];
    for await (const { id, text, index, trace } of run)
      got.push({ id, text, index, trace: Buffer.from(trace).toString('hex') });
    return got;
  };
  const code = (promise) =>
    promise.then(
      () => 'none',
      (error) => error.code,
    );

  for (const options of METHODS) {
    it(`goes on as it would have: ${JSON.stringify(options)}`, async () => {
      const given = { ...options, ignoreEos: true };
      const session = await model.session(given);
      const want = await steps(session.generate(TEXT, { maxTokens: 12, trace: 'sets' }));
      const first = await steps(session.generate(TEXT, { maxTokens: 5, trace: 'sets' }));
      assert.deepEqual(
        first.map(({ id }) => id),
        want.slice(0, 5).map(({ id }) => id),
      );
      const bytes = await session.save();
      assert.ok(bytes instanceof ArrayBuffer);
      const again = await model.restore(bytes);
      const more = { continue: true, maxTokens: 7, trace: 'sets' };
      const [own, theirs] = [await steps(again.generate('', more)), await steps(session.generate('', more))];
      assert.deepEqual(own, theirs);
      if (!options.temperature) assert.deepEqual(own.at(-1).trace, want.at(-1).trace);
      assert.deepEqual(
        own.map(({ id, text }) => [id, text]),
        want.slice(5).map(({ id, text }) => [id, text]),
      );
      const turn = { continue: true, maxTokens: 4, trace: 'sets' };
      assert.deepEqual(
        await steps(again.generate(' And then', turn)),
        await steps(session.generate(' And then', turn)),
      );
      // What was saved has the method as it ran, so it can be made once more.
      const anew = await model.session({ ...again.options, ignoreEos: true });
      assert.deepEqual(await steps(anew.generate(TEXT, { maxTokens: 5, trace: 'sets' })), first);
      await anew.close();
      await session.close();
      await again.close();
    });
  }

  it('is refused when it is damaged, of another model, or before a token', async () => {
    const session = await model.session({ method: 'full' });
    assert.equal(await code(session.save()), 'state');
    const run = session.generate(TEXT.repeat(10), { maxTokens: 4 });
    await run.next();
    const bytes = new Uint8Array(await session.save());
    for (const at of [0, 12, 40, bytes.length >> 1, bytes.length - 1]) {
      const damaged = bytes.slice();
      damaged[at] ^= 1;
      assert.equal(await code(model.restore(damaged)), 'saved');
      assert.equal(await code(model.restore(bytes.subarray(0, at))), 'saved');
    }
    const file = tinyModel();
    file[file.length - 1] ^= 1;
    const other = await load(file);
    assert.equal(await code(other.restore(bytes)), 'saved');
    await other.close();
    assert.equal(await code(model.restore(bytes)), 'none');
  });
});
