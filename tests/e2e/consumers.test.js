import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { build, createServer } from 'vite';
import webpack from 'webpack';
import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { installPacked } from './packed.js';
import { CHROME, SKIP_BROWSER } from './site.js';
import { tinyModel } from './tiny.js';

/** What every app does; `source` is an expression for the model. */
const main = (source, report) => `
  import { load } from 'attnscope';
  import { CacheView } from 'attnscope/trace';
  const model = await load(${source});
  const session = await model.session({ method: 'h2o', params: { heavy: 4, recent: 4 }, ignoreEos: true });
  const view = new CacheView(model.info);
  const ids = [];
  for await (const step of session.generate('Name a colour.', { maxTokens: 8, trace: 'sets' })) {
    view.apply(step.trace);
    ids.push(step.id);
  }
  const result = { ids, stored: view.storedRows[0] };
  await model.close();
  ${report}(JSON.stringify(result));
`;
/** As they come: the worker and the .wasm are found by the bundler. */
const PLAIN = main("new URL('model.gguf', document.baseURI)", 'window.done ');
/** As the README says for bundlers that do not find them. */
const GIVEN = PLAIN.replace(
  '\n',
  "\n  import wasm from 'attnscope/engine.wasm?url';\n  import Engine from 'attnscope/worker?worker';\n",
).replace('document.baseURI)', '$&, { wasm, worker: () => new Engine() }');

describe('the packed package in an empty app', { timeout: 300_000 }, () => {
  let packed;
  let app;
  let want;
  before(() => {
    packed = installPacked();
    app = packed.app;
    writeFileSync(join(app, 'tiny.gguf'), tinyModel());
    writeFileSync(join(app, 'node.js'), main("'tiny.gguf'", 'console.log'));
    want = execFileSync(process.execPath, ['node.js'], { cwd: app, encoding: 'utf8' }).trim();
  });
  after(() => packed.remove());

  it('runs in Node', () => {
    const { ids, stored } = JSON.parse(want);
    assert.equal(ids.length, 8);
    assert.ok(new Set(ids).size > 1, `${ids}`);
    assert.equal(stored, 8);
  });

  /** A folder for an app of this name, which finds the package in the folder above. */
  const write = (name, code) => {
    const root = join(app, name);
    mkdirSync(root);
    writeFileSync(join(root, 'main.js'), code);
    writeFileSync(
      join(root, 'index.html'),
      '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>',
    );
    return root;
  };

  /** What the app at `url` says when it is done; it must log no error and ask nobody else. */
  const runPage = async (url) => {
    const browser = await launch(CHROME);
    try {
      const { page, errors, foreign } = await openPage(browser, new URL(url).origin);
      const said = new Promise((resolve, reject) => {
        void page.exposeFunction('done', resolve).then(() => page.goto(url), reject);
        page.on('pageerror', reject);
        setTimeout(() => reject(new Error(`nothing after a minute; ${errors}`)), 60_000).unref();
      });
      const result = await said;
      assert.deepEqual([errors, foreign], [[], []]);
      return result;
    } finally {
      await browser.close();
    }
  };

  const runBuilt = async (folder) => {
    const { server, url } = await listen({ '/': folder, '/model.gguf': join(app, 'tiny.gguf') }, 0);
    try {
      return await runPage(url);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };

  describe('and in a browser', { skip: SKIP_BROWSER }, () => {
    const vite = (root, more) => ({ root, configFile: false, logLevel: 'error', build: { target: 'esnext' }, ...more });

    it('built by Vite, with no settings but the target', async () => {
      const root = write('vite', PLAIN);
      await build(vite(root));
      assert.equal(await runBuilt(join(root, 'dist')), want);
    });

    it('built by Vite, with the worker and the .wasm given', async () => {
      const root = write('vite-given', GIVEN);
      await build(vite(root, { worker: { format: 'es' } }));
      assert.equal(await runBuilt(join(root, 'dist')), want);
    });

    it('served by Vite while it is written', async () => {
      const root = write('vite-dev', PLAIN);
      mkdirSync(join(root, 'public'));
      writeFileSync(join(root, 'public', 'model.gguf'), tinyModel());
      const server = await createServer(vite(root, { server: { port: 0, fs: { allow: [app] } } }));
      try {
        await server.listen();
        assert.equal(await runPage(server.resolvedUrls.local[0]), want);
      } finally {
        await server.close();
      }
    });

    it('built by webpack, with no settings', async () => {
      const root = write('webpack', PLAIN);
      const compiler = webpack({
        mode: 'production',
        context: root,
        entry: './main.js',
        output: { path: join(root, 'dist'), filename: 'main.js' },
      });
      const stats = await promisify(compiler.run.bind(compiler))();
      await promisify(compiler.close.bind(compiler))();
      assert.deepEqual(stats.toJson({ errors: true, warnings: true }).errors, []);
      writeFileSync(
        join(root, 'dist', 'index.html'),
        '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>',
      );
      assert.equal(await runBuilt(join(root, 'dist')), want);
    });
  });
});
