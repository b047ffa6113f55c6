import { fileURLToPath } from 'node:url';
import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { CHROME, ATTNSCOPE_MODEL } = process.env;
const missing = [!CHROME && 'CHROME', !ATTNSCOPE_MODEL && 'ATTNSCOPE_MODEL'].filter(Boolean).join(' and ');

/** Why tests with the real model are not run, if they are not. */
export const SKIP = missing ? `not run: ${missing} not set` : false;

/**
 * A page that can import the package as it is, without a bundler, from `/attnscope/`, with the model at `/model.gguf`.
 * @param {readonly string[]} [flags] of the browser
 */
export async function openPackage(flags) {
  const mounts = {
    '/attnscope/': at('../../pkg/dist'),
    '/model.gguf': ATTNSCOPE_MODEL,
    // What a browser asks for by itself.
    '/favicon.ico': at('../../www/public/favicon.svg'),
  };
  const { server, url } = await listen(mounts, 0);
  const browser = await launch(CHROME, flags);
  const seen = await openPage(browser, new URL(url).origin);
  await seen.page.goto(`${url}attnscope/index.js`);
  return {
    ...seen,
    async close() {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
