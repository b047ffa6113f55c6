import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { COLOURS, MODE_STATES } from 'attnscope/view';
import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { at, CHROME } from './site.js';

const HTML = `<!doctype html><meta charset="utf-8"><title>test</title><body>
<attn-scope trace="run.attn"></attn-scope>
<script type="module">
  import { define } from './attnscope/view.js';
  const element = document.querySelector('attn-scope');
  window.loaded = new Promise((resolve, reject) => {
    element.addEventListener('load', resolve, { once: true });
    element.addEventListener('error', (event) => reject(event.detail), { once: true });
  });
  define();
</script>`;

/**
 * `<attn-scope>` with `run.attn` on a page of its own, for the tests of one `describe`, in whose body it is called first.
 * @param {() => Promise<Record<string, Uint8Array | string>>} makeFiles what lies beside the page, by name
 */
export function scope(makeFiles) {
  let folder;
  let server;
  let browser;
  let seen;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'attnscope-element-'));
    const files = { 'index.html': HTML, ...(await makeFiles()) };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    const mounts = {
      '/': folder,
      '/attnscope/': at('../../pkg/dist'),
      '/favicon.ico': at('../../www/public/favicon.svg'),
    };
    server = await listen(mounts, 0);
    browser = await launch(CHROME);
    seen = await openPage(browser, new URL(server.url).origin);
    const { page } = seen;
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(server.url);
    await page.evaluate(() => window.loaded);
  });
  after(async () => {
    await browser?.close();
    server?.server.closeAllConnections();
    server?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const element = () => seen.page.locator('attn-scope');
  return {
    element,
    /** Not before the first hook is done. */
    get seen() {
      return seen;
    },
    /**
     * Shows a step, and waits until it is drawn.
     * @param {number} to
     */
    seek: (to) =>
      element().evaluate((element, to) => {
        const drawn = new Promise((resolve) => {
          const check = ({ detail }) => {
            if (detail !== to) return;
            element.removeEventListener('step', check);
            resolve();
          };
          element.addEventListener('step', check);
        });
        element.step = to;
        return drawn;
      }, to),
    /**
     * States by the pixels of a map, which has one position a column here.
     * @param {string} method
     * @param {keyof typeof MODE_STATES} mode
     * @param {keyof typeof COLOURS} theme
     */
    async readCells(method, mode, theme = 'light') {
      const { width, height, pixels } = await element().evaluate((element, method) => {
        const canvas = element.shadowRoot.querySelector(`canvas[data-map="${method}"]`);
        const { width, height } = canvas;
        const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
        return { width, height, pixels: [...new Uint32Array(data.buffer)] };
      }, method);
      const names = new Map(
        [...MODE_STATES[mode], 'empty'].map((name) => {
          const n = Number.parseInt(COLOURS[theme][name].slice(1), 16);
          return [(0xff000000 | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0, name];
        }),
      );
      return { width, height, cells: pixels.map((pixel) => names.get(pixel) ?? pixel.toString(16)) };
    },
  };
}
