const STATES = ['empty', 'evicted', 'stored', 'earlier', 'dropped', 'read'];

/**
 * The state of every cell of a map, from its pixels alone. Only a map with one position a column has pure colours.
 * @param {import('playwright-core').Page} page
 * @param {string} method
 * @param {'map' | 'mask'} what the map of a method, or the mask of one of its heads
 */
export async function readMap(page, method, what = 'map') {
  return page.evaluate(
    ({ method, what, STATES }) => {
      const canvas = document.querySelector(`canvas[data-${what}="${method}"]`);
      if (!(canvas instanceof HTMLCanvasElement)) throw new Error(`no ${what} of ${method}`);
      const { width, height } = canvas;
      const pixels = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? [];
      const style = getComputedStyle(document.documentElement);
      const names = new Map(
        STATES.map((state) => [Number.parseInt(style.getPropertyValue(`--cell-${state}`).trim().slice(1), 16), state]),
      );
      const cells = Array.from({ length: width * height }, (_, i) => {
        const colour = (pixels[4 * i] << 16) | (pixels[4 * i + 1] << 8) | pixels[4 * i + 2];
        return names.get(colour) ?? `#${colour.toString(16)}`;
      });
      return { width, height, cells };
    },
    { method, what, STATES },
  );
}

/**
 * What the page kept of the trace: a block for each step.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<{ info: { layers: number, queryHeads: number, kvHeads: number }, traces: { method: string, steps: Uint8Array[] }[] }>}
 */
export async function readTrace(page) {
  const { info, traces } = await page.evaluate(async () => {
    const { steps, info } = window.__attnscope;
    const text = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    return { info: info(), traces: (await steps()).map((t) => ({ method: t.method, steps: t.steps.map(text) })) };
  });
  const decode = (t) => ({ method: t.method, steps: t.steps.map((b) => new Uint8Array(Buffer.from(b, 'base64'))) });
  return { info, traces: traces.map(decode) };
}
