/** How fast this machine is now, by the work that the design measured on its own. */

/** Milliseconds that eight panels took there: looked up and put on a canvas, with both cores busy. */
const REFERENCE = 1.9;

/**
 * How many times longer the same takes here, at least 1: in a page of its own, beside a worker that reads as much memory as
 * a model's weights take.
 * @param {import('playwright-core').Page} page any page of the browser
 */
export async function slowness(page) {
  const context = await page.context().browser().newContext();
  try {
    const blank = await context.newPage();
    const took = await blank.evaluate(async () => {
      const source =
        'const a = new Float64Array(1 << 23); for (let s = 0; ; ) for (let i = 0; i < a.length; i++) s += a[i];';
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      const lut = new Uint32Array(256).map((_, i) => 0xff000000 | (i * 0x010203));
      const panels = Array.from({ length: 8 }, () => {
        const canvas = document.body.appendChild(document.createElement('canvas'));
        Object.assign(canvas, { width: 400, height: 270 });
        const context = canvas.getContext('2d');
        const image = context.createImageData(400, 270);
        const cells = new Uint8Array(400 * 270).map((_, i) => i % 251);
        return { context, image, cells, out: new Uint32Array(image.data.buffer) };
      });
      const took = [];
      for (let n = 0; n < 120; n++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        for (const { context, image, cells, out } of panels) {
          for (let i = 0; i < cells.length; i++) out[i] = lut[(cells[i] + n) & 255];
          context.putImageData(image, 0, 0);
        }
        took.push(performance.now() - began);
      }
      worker.terminate();
      return took.sort((a, b) => a - b)[60];
    });
    return Math.max(1, took / REFERENCE);
  } finally {
    await context.close();
  }
}
