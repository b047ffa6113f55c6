import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WEBGPU } from './browser.js';
import { openPackage } from './package.js';
import { SKIP } from './site.js';

const PROMPT = '1 2 3 4 5 6';
// A software adapter takes seconds a token: all 32 with ATTNSCOPE_GPU_TOKENS=32.
const TOKENS = Number(process.env.ATTNSCOPE_GPU_TOKENS ?? 4);

describe('WebGPU in a browser, with the real model', {
  skip: SKIP,
  timeout: 900_000,
}, () => {
  let seen;
  before(async () => {
    seen = await openPackage(WEBGPU);
    await seen.page.evaluate(async () => {
      const { open } = await import('/attnscope/index.js');
      window.engine = await open();
      window.model = await window.engine.load('/model.gguf');
    });
  });
  after(() => seen?.close());

  /** What a run proposed, along `forced` ids where there are any, and what it took. */
  const run = (options, forced) =>
    seen.page.evaluate(
      async ({ options, forced, PROMPT, TOKENS }) => {
        const session = await window.model.session({ ...options, ignoreEos: true });
        const begun = performance.now();
        const [ids, backends] = [[], new Set()];
        const steps = session.generate(PROMPT, { maxTokens: TOKENS });
        for (let choice; ; choice = forced?.[ids.length - 1]) {
          const { value: step, done } = await steps.next(choice);
          if (done) break;
          ids.push(step.id);
          backends.add(step.backend);
        }
        const { fallback } = await session.stats();
        await session.close();
        return { ids, backends: [...backends], fallback, seconds: (performance.now() - begun) / 1000 };
      },
      { options, forced, PROMPT, TOKENS },
    );

  it('has an adapter that computes what the CPU does', async () => {
    const info = await seen.page.evaluate(() => window.engine.gpu());
    console.log(`    ${JSON.stringify(info)}`);
    assert.ok(info.difference < 1);
  });

  it('does not save a session, and says so', async () => {
    const code = await seen.page.evaluate(async () => {
      const session = await window.model.session({ method: 'full', backend: 'gpu' });
      await session.generate([1, 2, 3], { maxTokens: 2 }).next();
      const code = await session.save().then(
        () => 'none',
        (error) => error.code,
      );
      await session.close();
      return code;
    });
    assert.equal(code, 'unsupported');
  });

  // Budgets and blocks so small that each method does what it is for.
  const SESSIONS = [
    { method: 'full' },
    { method: 'tidal_decode', params: { top_k: 6, share: 'all_heads', sinks: 1, recent: 3 } },
    { method: 'h2o', params: { heavy: 4, recent: 5 } },
    { method: 'quant_spec', params: { group_tokens: 4 } },
    { method: 'star_attention', params: { block_size: 4, anchor_size: 4, query_tokens: 4 } },
  ];
  for (const session of SESSIONS) {
    it(`proposes the tokens of the CPU: ${session.method}`, async () => {
      const cpu = await run({ ...session, backend: 'cpu' });
      const gpu = await run({ ...session, backend: 'gpu' }, cpu.ids);
      const apart = cpu.ids.flatMap((id, at) => (gpu.ids[at] === id ? [] : [at]));
      const seconds = `${cpu.seconds.toFixed(1)} s on the CPU, ${gpu.seconds.toFixed(1)} s on the software GPU`;
      console.log(`    ${session.method}: ${seconds}; apart at ${apart.length > 0 ? apart.join(', ') : 'none'}`);
      assert.equal(gpu.fallback, null);
      assert.deepEqual(gpu.backends, ['gpu']);
      assert.equal(cpu.ids.length, TOKENS);
      assert.equal(gpu.ids.length, TOKENS);
      // The CPU rounds activations to 8 bits, which turns a near-tie now and then.
      assert.ok(apart.length <= TOKENS / 16, `tokens ${apart.join(', ')} of ${TOKENS} differ`);
    });
  }
});
