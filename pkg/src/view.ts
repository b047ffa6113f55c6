/**
 * Drawing of traces without a framework: data in, canvas pixels out. Everything is drawn by what the records say; no code
 * here knows a method by name.
 */
export * from './view/cells.js';
export * from './view/format.js';
export { Frames, frames } from './view/frame.js';
export { HeadHistory } from './view/head-history.js';
export * from './view/lane.js';
export * from './view/lens.js';
export * from './view/marks.js';
export { fillMask } from './view/mask.js';
export { MapPainter } from './view/paint.js';
export { CIVIDIS, COLOURS, cellProperties, css, type Lut, lutOf, type Theme } from './view/palette.js';
export * from './view/states.js';
export * from './view/verdict.js';
