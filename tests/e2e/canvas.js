const STATES = ['empty', 'evicted', 'stored', 'dropped', 'read'];

/**
 * The state of every cell of a map, from its pixels alone. Only a map with one position a column has pure colours.
 * @param {import('playwright-core').Page} page
 * @param {string} method
 */
export async function readMap(page, method) {
  return page.evaluate(
    ({ method, STATES }) => {
      const canvas = document.querySelector(`canvas[data-map="${method}"]`);
      if (!(canvas instanceof HTMLCanvasElement)) throw new Error(`no map of ${method}`);
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
    { method, STATES },
  );
}

/**
 * What the page kept of the trace.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<{ info: { layers: number, queryHeads: number, kvHeads: number }, traces: { method: string, blocks: Uint8Array[] }[] }>}
 */
export async function readTrace(page) {
  const { info, traces } = await page.evaluate(() => {
    const { blocks, info } = window.__attnscope;
    const text = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    return { info: info(), traces: blocks().map((t) => ({ method: t.method, blocks: t.blocks.map(text) })) };
  });
  const decode = (t) => ({ method: t.method, blocks: t.blocks.map((b) => new Uint8Array(Buffer.from(b, 'base64'))) });
  return { info, traces: traces.map(decode) };
}
