import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { at, CHROME, SKIP_BROWSER } from './site.js';

/** As a browser gets it: Node has an entry of its own. */
const DIST = new URL('../../pkg/dist/', import.meta.url).href;

/** A thread starts its engine once, so each form is tried in a program of its own. */
const run = (code) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: at('.'), encoding: 'utf8' }).trim();

describe('the engine in Node', { timeout: 60_000 }, () => {
  for (const [name, wasm] of Object.entries({
    'where it is': 'undefined',
    'from a path': 'fileURLToPath(url)',
    'from a URL': 'url',
    'from bytes': 'readFileSync(url)',
    'from an answer': "new Response(readFileSync(url), { headers: { 'content-type': 'application/wasm' } })",
    compiled: 'await WebAssembly.compile(readFileSync(url))',
  })) {
    it(`starts ${name}`, () => {
      const printed = run(`
        import { readFileSync } from 'node:fs';
        import { fileURLToPath } from 'node:url';
        import { open } from 'attnscope';
        const url = new URL(import.meta.resolve('attnscope/engine.wasm'));
        const engine = await open({ wasm: ${wasm} });
        console.log(engine.methods.length > 20);
        await engine.close();
      `);
      assert.equal(printed, 'true');
    });
  }

  it('says what is wrong with one that is none', () => {
    const printed = run(`
      import { open } from 'attnscope';
      for (const wasm of ['no-such.wasm', new Uint8Array(9)])
        await open({ wasm }).then(() => console.log('none'), ({ name, code }) => console.log(name, code));
    `);
    assert.deepEqual(printed.split('\n'), Array(2).fill('AttnscopeError engine'));
  });

  it('is not touched by an import, and neither is anything of a browser', () => {
    const printed = run(`
      const touched = [];
      for (const name of ['navigator', 'Worker', 'self', 'window', 'document', 'location', 'fetch', 'WebAssembly', 'caches'])
        Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
      for (const name of ['index', 'trace', 'view']) await import(\`\${${JSON.stringify(DIST)}}\${name}.js\`);
      console.log(JSON.stringify(touched));
    `);
    assert.equal(printed, '[]');
  });
});

describe('the engine in a page', { skip: SKIP_BROWSER, timeout: 60_000 }, () => {
  let server;
  let browser;
  let seen;
  before(async () => {
    const mounts = { '/attnscope/': at('../../pkg/dist'), '/favicon.ico': at('../../www/public/favicon.svg') };
    const listening = await listen(mounts, 0);
    server = listening.server;
    browser = await launch(CHROME);
    seen = await openPage(browser, new URL(listening.url).origin);
    await seen.page.goto(`${listening.url}attnscope/index.js`);
  });
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('starts from every form, in a worker made in any way', async () => {
    const counts = await seen.page.evaluate(async () => {
      const { open } = await import('/attnscope/index.js');
      const address = '/attnscope/wasm/attnscope_bg.wasm';
      const bytes = await (await fetch(address)).arrayBuffer();
      const make = () => new Worker('/attnscope/worker.js', { type: 'module' });
      const own = make();
      const forms = [
        {},
        { wasm: address },
        { wasm: new URL(address, location.href), worker: make },
        { wasm: await fetch(address) },
        { wasm: bytes, worker: own },
        { wasm: new Uint8Array(bytes) },
        { wasm: await WebAssembly.compile(bytes), worker: make },
        { wasm: await WebAssembly.compile(bytes), hosts: 2 },
        { wasm: await fetch(address), worker: false },
      ];
      const counts = [];
      for (const form of forms) {
        const engine = await open(form);
        counts.push(engine.methods.length);
        await engine.close();
      }
      // A worker of the caller's stays the caller's: it answers the next one.
      const again = await open({ worker: own });
      counts.push(again.methods.length);
      await again.close();
      own.terminate();
      return counts;
    });
    assert.equal(counts.length, 10);
    assert.ok(
      counts.every((count) => count === counts[0] && count > 20),
      `${counts}`,
    );
    assert.deepEqual([seen.errors, seen.foreign], [[], []]);
  });
});
