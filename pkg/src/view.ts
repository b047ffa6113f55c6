/**
 * Drawing of traces without a framework: data in, canvas pixels out. Everything is drawn by what the records say; no code
 * here knows a method by name.
 */
export { type Arc, arcsOf, drawArcs } from './view/arcs.js';
export { type Band, bandsOf, type Span, type SpanBand, type TierBand } from './view/bands.js';
export { drawBlockGrid, fillBlockGrid } from './view/block-grid.js';
export { drawMark } from './view/cell-mark.js';
export {
  type Axis,
  axisFor,
  type Cells,
  cellAt,
  DENSITIES,
  fillCells,
  headsOf,
  makeCells,
  type Scene,
} from './view/cells.js';
export { crisp } from './view/crisp.js';
export { type AttnScopeElement, define, type TraceSource } from './view/element.js';
export { bytes, count, duration, percent, plural, visible } from './view/format.js';
export { frames } from './view/frame.js';
export { type Fold, HeadHistory, type MaskRows } from './view/head-history.js';
export { drawHostShares, fillHostShares, HOST_COLOURS, hostShares } from './view/host-shares.js';
export { jointRows } from './view/joint-rows.js';
export { drawLane, readersOf } from './view/lane.js';
export { churnOf, type LayerRole, rolesOf } from './view/layers.js';
export { drawLens, type LensView } from './view/lens.js';
export { type Mark, marksOf, thinned } from './view/marks.js';
export { fillMask } from './view/mask.js';
export { MapPainter } from './view/paint.js';
export { COLOURS, cellProperties, type Lut, lutOf, type Theme } from './view/palette.js';
export { drawPatternGrid, fillPatternGrid } from './view/pattern-grid.js';
export { type Blocks, promptBlocks, type Round, type Rounds, roundsOf } from './view/prompts.js';
export { drawRings, type Ring, ringsOf } from './view/rings.js';
export {
  Cell,
  type CellState,
  MODE_STATES,
  MODES,
  type Mode,
  STATES,
  type StateName,
  stateName,
  WEIGHT_STEPS,
} from './view/states.js';
export { drawStrip } from './view/strip.js';
export { type Summary, summarise, verdict } from './view/verdict.js';
export { say, setWords, type Values } from './view/words.js';
