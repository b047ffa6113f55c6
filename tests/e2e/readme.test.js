import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { installPacked } from './packed.js';

const { ATTNSCOPE_MODEL } = process.env;
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The first JavaScript block of a file of the repository. */
function example(path) {
  const [, code] = readFileSync(join(root, path), 'utf8').match(/```js\n([\s\S]*?)```/) ?? [];
  assert.ok(code, `${path} has an example`);
  return code;
}

describe('the packed package in an empty app, in Node', {
  skip: ATTNSCOPE_MODEL ? false : 'not run: ATTNSCOPE_MODEL not set',
  timeout: 300_000,
}, () => {
  let packed;
  before(() => {
    packed = installPacked();
  });
  after(() => packed.remove());

  const run = (code) => {
    writeFileSync(join(packed.app, 'main.js'), code);
    return execFileSync(process.execPath, ['main.js', ATTNSCOPE_MODEL], { cwd: packed.app, encoding: 'utf8' });
  };

  for (const path of ['README.md', 'pkg/README.md']) {
    it(`runs the example of ${path}`, () => {
      const code = example(path);
      assert.ok(code.trim().split('\n').length <= 12, 'about ten lines');
      const printed = run(code.replace(/(?<=load\()'SmolLM2[^']*'/, 'process.argv[2]'));
      assert.match(printed, /\w{3}/);
    });
  }

  it('says what is wrong with bad input, and goes on', () => {
    const printed = run(`
      import { load } from 'attnscope';
      const code = (promise) => promise.then(() => 'none', (error) => error.code);
      const model = await load(process.argv[2]);
      const session = await model.session({ method: 'fifo', params: { budget: 16 } });
      const abort = new AbortController();
      const long = session.generate('word '.repeat(3000), { maxTokens: 4, signal: abort.signal });
      setTimeout(() => abort.abort(), 50);
      console.log(JSON.stringify([
        await code(load(new Uint8Array(64).fill(7))),
        await code(load('no-such-file.gguf')),
        await code(load('.')),
        await code(session.generate('x', { maxTokens: 1.5 }).next()),
        await code(model.session({ method: 'magic' })),
        await code(model.session({ method: 'fifo', params: { size: 1 } })),
        await code(model.session({ method: 'fifo', params: { budget: 0 } })),
        await code(session.generate('', { maxTokens: 4 }).next()),
        await code(session.generate('word '.repeat(9000), { maxTokens: 4 }).next()),
        await code(long.next()),
      ]));
      for await (const step of session.generate('The sea is', { maxTokens: 3 })) console.log(step.index);
      await model.close();
    `);
    const [codes, ...steps] = printed.trim().split('\n');
    const [bytes, path, folder, number, ...rest] = JSON.parse(codes);
    assert.ok(['not_gguf', 'unsupported', 'file'].includes(bytes), bytes);
    assert.deepEqual([path, folder, number], ['source', 'source', 'param']);
    assert.deepEqual(rest, ['unknown_method', 'unknown_param', 'param', 'empty_prompt', 'context', 'aborted']);
    assert.deepEqual(steps, ['0', '1', '2']);
  });
});
