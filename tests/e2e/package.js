import { listen } from '../../xtask/serve.mjs';
import { launch, openPage } from './browser.js';
import { at, CHROME, MODEL } from './site.js';

/**
 * A page that can import the package as it is, without a bundler, from `/attnscope/`, with the model at `/model.gguf`.
 * @param {readonly string[]} [flags] of the browser
 */
export async function openPackage(flags) {
  const mounts = {
    '/attnscope/': at('../../pkg/dist'),
    '/model.gguf': MODEL,
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
