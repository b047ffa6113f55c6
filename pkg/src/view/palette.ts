import { DENSITIES } from './cells.js';
import { Cell, STATES, type StateName } from './states.js';

export type Theme = 'light' | 'dark';

/**
 * Colours of the states, derived from Okabe and Ito's, whose hues differ for every kind of sight. Weights are a magnitude:
 * theirs are steps of cividis, the largest farthest from the background.
 */
export const COLOURS: Readonly<Record<Theme, Readonly<Record<StateName, string>>>> = {
  light: {
    empty: '#f4f5f4',
    evicted: '#f6e5c2',
    stored: '#aebdc8',
    earlier: '#79bfe6',
    quantised: '#5bb89a',
    parked: '#cc79a7',
    merged: '#e69f00',
    dropped: '#d55e00',
    read: '#0072b2',
    both: '#aebdc8',
    extra: '#0072b2',
    missed: '#e69f00',
    lost: '#b33c00',
    faint: '#dfe5e9',
    weight1: '#f4db4e',
    weight2: '#beb170',
    weight3: '#908b78',
    weight4: '#696970',
    weight5: '#2b446e',
    weight6: '#002051',
  },
  dark: {
    empty: '#12161b',
    evicted: '#3a2b0c',
    stored: '#5c6e7d',
    earlier: '#2b6286',
    quantised: '#1f9a78',
    parked: '#c27ba3',
    merged: '#e8b23c',
    dropped: '#ff8a3d',
    read: '#4ba9e1',
    both: '#5c6e7d',
    extra: '#4ba9e1',
    missed: '#e8b23c',
    lost: '#ff6a2b',
    faint: '#232b33',
    weight1: '#16396d',
    weight2: '#50586e',
    weight3: '#7b7874',
    weight4: '#a09978',
    weight5: '#d1be66',
    weight6: '#fdea45',
  },
};

/** Colours as canvas pixels: `lut[state * DENSITIES + density]`, each one 32-bit pixel. */
export type Lut = Uint32Array;

type Rgb = readonly [number, number, number];

/** How much of the state's own colour a bin keeps when only part of it is in that state. */
const STRENGTH = [0.45, 0.65, 0.85, 1];
/** What shows through a bin that is only partly in a state; nothing for those that are not here. */
const UNDER: Partial<Record<StateName, StateName>> = {
  stored: 'evicted',
  earlier: 'stored',
  quantised: 'stored',
  parked: 'stored',
  merged: 'stored',
  dropped: 'stored',
  read: 'stored',
  extra: 'both',
  missed: 'both',
  lost: 'both',
};
/** Of a bin's weights the largest shows, as it is: a paler colour would be a smaller weight. */
const isWeight = (name: StateName) => Cell[name] >= Cell.weight1;

const luts = new Map<Theme, Lut>();

/** The look-up table of a theme. */
export function lutOf(theme: Theme): Lut {
  let lut = luts.get(theme);
  if (!lut) {
    lut = makeLut(COLOURS[theme]);
    luts.set(theme, lut);
  }
  return lut;
}

function makeLut(colours: Readonly<Record<StateName, string>>): Lut {
  const lut = new Uint32Array(STATES.length * DENSITIES);
  for (const name of STATES) {
    const [own, under] = [parseHex(colours[name]), parseHex(colours[UNDER[name] ?? 'empty'])];
    STRENGTH.forEach((strength, density) => {
      const part = isWeight(name) ? 1 : strength;
      lut[Cell[name] * DENSITIES + density] = pixel(own.map((c, i) => c * part + under[i] * (1 - part)));
    });
  }
  return lut;
}

/** The colours of a theme as custom properties `--cell-read` and so on, for what is not a canvas. */
export function cellProperties(theme: Theme): [name: string, value: string][] {
  return STATES.map((name) => [`--cell-${name}`, COLOURS[theme][name]]);
}

/**
 * Cividis, which grows evenly in lightness for every kind of sight, as 256 pixels: the polynomial of d3-scale-chromatic
 * (ISC), so that no table has to be shipped.
 */
export const CIVIDIS: Lut = Uint32Array.from({ length: 256 }, (_, i) => {
  const t = i / 255;
  return pixel([
    -4.54 - t * (35.34 - t * (2381.73 - t * (6402.7 - t * (7024.72 - t * 2710.57)))),
    32.49 + t * (170.73 + t * (52.82 - t * (131.46 - t * (176.58 - t * 67.37)))),
    81.24 + t * (442.36 - t * (2482.43 - t * (6167.24 - t * (6614.94 - t * 2475.67)))),
  ]);
});

/** A colour as the bytes of a canvas, whose order is red, green, blue, alpha. */
function pixel(rgb: readonly number[]): number {
  const bytes = Uint8ClampedArray.of(rgb[0], rgb[1], rgb[2], 255);
  return new Uint32Array(bytes.buffer)[0];
}

/** The same as a colour of a style sheet. */
export function css(pixel: number): string {
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
}

function parseHex(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
