// One headless Chromium with one page; each runtime in it is a module with `open` and `measure`.
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { listen } from '../../xtask/serve.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** @param {string} chrome @param {string} model @param {string[]} runtimes @param {number} contextSize */
export async function open(chrome, model, runtimes, contextSize) {
  const mounts = { '/': here('page'), '/wllama/': here('node_modules/@wllama/wllama/esm'), '/model.gguf': model };
  if (runtimes.includes('attnscope')) mounts['/pkg/'] = here('../../pkg/dist');
  const { server, url } = await listen(mounts, 0);
  const browser = await chromium.launch({ executablePath: chrome, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`page: ${error}`));
  page.on('console', (message) => message.type() === 'error' && console.error(`page: ${message.text()}`));
  await page.goto(url);
  const engines = {};
  for (const runtime of runtimes) {
    await page.evaluate(
      async ([runtime, contextSize]) => {
        const { open } = await import(`/${runtime}.js`);
        globalThis[runtime] = await open('/model.gguf', contextSize);
      },
      [runtime, contextSize],
    );
    engines[runtime] = {
      measure: (prompt, decode) =>
        page.evaluate(([runtime, prompt, decode]) => globalThis[runtime].measure(prompt, decode), [runtime, prompt, decode]),
      bytes: () => page.evaluate((runtime) => globalThis[runtime].bytes(), runtime),
    };
  }
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { engines, version: browser.version(), close };
}
