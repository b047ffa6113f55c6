import { chromium } from 'playwright-core';

/** Keeps the browser from talking to anybody on its own, so that every request seen is one of the page. */
const FLAGS = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

/** WebGPU on a software adapter: headless Chromium has no other, and asks for a flag. */
export const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/**
 * @param {string} executablePath
 * @param {readonly string[]} [more] further flags
 */
export function launch(executablePath, more = []) {
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...more] });
}

/**
 * A page that remembers what must not happen: errors and requests to other hosts.
 * @param {import('playwright-core').Browser} browser
 * @param {string} origin
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, origin, options) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  /** @type {string[]} */
  const foreign = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== origin) foreign.push(request.url());
  });
  return { page, context, errors, foreign };
}
