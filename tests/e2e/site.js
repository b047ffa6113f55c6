import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.js';
import { serve } from './server.js';

export const { CHROME, ATTNSCOPE_MODEL: MODEL } = process.env;

/** How many times longer than on an idle machine of today things may take. Only budgets of time ask. */
export const SLOW = Number(process.env.ATTNSCOPE_SLOW ?? 4);

/** A path, seen from this folder. */
export const at = (path) => fileURLToPath(new URL(path, import.meta.url));

const without = (...names) => {
  const missing = names.filter((name) => !process.env[name]);
  return missing.length > 0 ? `not run: ${missing.join(' and ')} not set` : false;
};
/** Why tests in a browser are not run, if they are not. */
export const SKIP_BROWSER = without('CHROME');
/** Why tests with the real model are not run, if they are not. */
export const SKIP = without('CHROME', 'ATTNSCOPE_MODEL');

/**
 * The built page on a host of its own, for the tests of one `describe`. It is called first in its body, so that what is
 * there comes before the tests' own hooks.
 * @param {string} [model] file at the address of the model; any will do as one that must not be fetched
 */
export function site(model = at('../../www/index.html')) {
  let server;
  let browser;
  before(async () => {
    mkdirSync(at('../../artifacts'), { recursive: true });
    server = await serve(at('../../www/dist'), model);
    browser = await launch(CHROME);
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });
  return {
    /** Not before the first hook is done. */
    get url() {
      return server.url;
    },
    /**
     * A visitor of its own; `prepare` gets the page before it is there.
     * @param {string} [query] what follows the address, with its ? or #
     */
    async visit(query = '', { prepare, ...options } = {}) {
      const seen = await openPage(browser, server.origin, options);
      await prepare?.(seen.page);
      await seen.page.goto(server.url + query);
      return seen;
    },
  };
}

/**
 * The last test of a `describe`, of a page that was open all the time.
 * @param {() => { errors: string[], foreign: string[] }} seen
 */
export function staysQuiet(seen) {
  it('logged no error and asked nobody else', () => {
    assert.deepEqual(seen().errors, []);
    assert.deepEqual(seen().foreign, []);
  });
}
