// One decode attention step alone, against onnxruntime-web in the same page and the same run.
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { listen } from '../../xtask/serve.mjs';
import { median } from './report.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** Keys a query sees, and the part of them a sparse step reads. */
const KEYS = [2048, 8192];
const SHARE = 0.12;
/** How far from the definition an output of values between -1 and 1 may be, whoever made it. */
const TOLERANCE = 1e-5;
/** How many times faster than onnxruntime-web each must be. */
const BARS = { attnscope_dense: 3, attnscope_sparse_shared: 12, attnscope_sparse_by_head: 12 };

/** Measures in a headless Chromium; returns a case for each number of keys. */
export async function attention(chrome, wasm, runs, note) {
  const mounts = { '/': here('page'), '/ort/': here('node_modules/onnxruntime-web/dist'), '/attention.wasm': wasm };
  const { server, url } = await listen(mounts, 0);
  const browser = await chromium.launch({ executablePath: chrome, args: ['--no-sandbox'] });
  try {
    note(`Chromium ${browser.version()}`);
    const cases = [];
    for (const keys of KEYS) {
      // A page of its own: no case inherits the other's memory.
      const page = await browser.newPage();
      page.on('console', (message) => message.type() === 'error' && note(`page: ${message.text()}`));
      await page.goto(url);
      const measured = await page.evaluate(async (what) => (await import('/attention.js')).measure(what), { keys, share: SHARE, runs });
      await page.close();
      const entry = { keys, read: SHARE };
      for (const [name, { error, ms }] of Object.entries(measured)) {
        if (!(error < TOLERANCE)) throw new Error(`${name}, ${keys} keys: the output is off by ${error}`);
        entry[name] = { ms: median(ms), best_ms: Math.min(...ms), error };
      }
      cases.push(entry);
    }
    return cases;
  } finally {
    await browser.close();
    server.close();
  }
}

/** A table a case; the first ratio is to onnxruntime-web as one calls it, the second to its step without copies. */
export function attentionTable(cases) {
  const lines = [];
  for (const { keys, read, ...ways } of cases) {
    const title = `Attention, ${keys} keys, sparse ${read * 100} %`;
    lines.push('', `${title.padEnd(36)}median ms     best     ratio  in place       bar     error`);
    for (const [name, { ms, best_ms, error }] of Object.entries(ways)) {
      const ratio = (to) => `${(ways[to].ms / ms).toFixed(2)}x`.padStart(10);
      const bar = BARS[name] ? `>= ${BARS[name]}x` : '';
      const cells = [ms.toFixed(3).padStart(9), best_ms.toFixed(3).padStart(9), ratio('onnxruntime_web'), ratio('onnxruntime_web_in_place')];
      lines.push(`  ${name.padEnd(34)}${cells.join('')}${bar.padStart(10)}${error.toExponential(0).padStart(10)}`);
    }
  }
  return lines.join('\n');
}
