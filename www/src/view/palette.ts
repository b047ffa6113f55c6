import { CELL_STATES, DENSITIES } from './cells.js';

/** The custom properties of app.css that hold the colour of a state, in the order of `Cell`. */
export const STATE_COLOURS = [
  '--cell-empty',
  '--cell-evicted',
  '--cell-stored',
  '--cell-dropped',
  '--cell-read',
] as const;

/** Colours as canvas pixels: `lut[state * DENSITIES + density]`, each one 32-bit pixel. */
export type Lut = Uint32Array;

type Rgb = readonly [number, number, number];

/** How much of the state's own colour a bin keeps when only part of it is in that state. */
const STRENGTH = [0.45, 0.65, 0.85, 1];
/** What shows through a bin that is only partly in a state: read over stored, the rest over evicted. */
const UNDER = [0, 0, 1, 2, 2];

export function makeLut(colours: readonly Rgb[]): Lut {
  const bytes = new Uint8ClampedArray(CELL_STATES * DENSITIES * 4);
  for (let state = 0; state < CELL_STATES; state++) {
    for (let density = 0; density < DENSITIES; density++) {
      const part = STRENGTH[density];
      const under = colours[UNDER[state]];
      const rgb = colours[state].map((c, i) => Math.round(c * part + under[i] * (1 - part)));
      bytes.set([...rgb, 255], (state * DENSITIES + density) * 4);
    }
  }
  return new Uint32Array(bytes.buffer);
}

const luts = new Map<string, Lut>();

/** The look-up table of the theme that is on, called `theme`. Read once: styles are slow to ask and colours are fixed. */
export function lutOf(theme: string): Lut {
  let lut = luts.get(theme);
  if (!lut) {
    const style = getComputedStyle(document.documentElement);
    lut = makeLut(STATE_COLOURS.map((name) => parseHex(style.getPropertyValue(name).trim())));
    luts.set(theme, lut);
  }
  return lut;
}

export function parseHex(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
