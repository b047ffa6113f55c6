const STATES = [
  ...['empty', 'evicted', 'stored', 'earlier', 'quantised', 'parked', 'merged', 'dropped', 'read'],
  ...['faint', 'weight1', 'weight2', 'weight3', 'weight4', 'weight5', 'weight6'],
];

/**
 * The state of every cell of a map, from its pixels alone. Only a map with one position a column has pure colours; what
 * is none is named by its number.
 * @param {import('playwright-core').Page} page
 * @param {string} method
 * @param {'map' | 'mask'} what the map of a method, or the mask of one of its heads
 */
export async function readMap(page, method, what = 'map') {
  const { width, height, names, cells } = await page.evaluate(
    ({ method, what, STATES }) => {
      const canvas = document.querySelector(`canvas[data-${what}="${method}"]`);
      if (!(canvas instanceof HTMLCanvasElement)) throw new Error(`no ${what} of ${method}`);
      const { width, height } = canvas;
      const { buffer } = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8Array();
      const style = getComputedStyle(document.documentElement);
      const colours = STATES.map((state) => style.getPropertyValue(`--cell-${state}`).trim());
      const names = [...STATES];
      // Letters travel faster than an array of words.
      const cells = Array.from(new Uint32Array(buffer), (pixel) => {
        const [r, g, b] = [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
        const colour = `#${((r << 16) | (g << 8) | b).toString(16).padStart(6, '0')}`;
        if (!colours.includes(colour)) names[colours.push(colour) - 1] = colour;
        return String.fromCharCode(colours.indexOf(colour));
      }).join('');
      return { width, height, names, cells };
    },
    { method, what, STATES },
  );
  return { width, height, cells: Array.from(cells, (letter) => names[letter.charCodeAt(0)]) };
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
