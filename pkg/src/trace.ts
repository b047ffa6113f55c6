/** What a method read, kept and dropped, from its trace blocks. Positions are positions in the text, never slots. */
export { countBits, popcount } from './bits.js';
export { CacheView, KV_SETS, type PassKind, type Shape } from './trace/cache-view.js';
export { mergeEvents, nextEvent, type StepEvent } from './trace/events.js';
export {
  type Choice,
  type Density,
  type Facts,
  FactsReader,
  NO_FACTS,
  type Prefill,
  type Trip,
} from './trace/facts.js';
export { isTraceFile, type ReadTraceOptions, readTraceFile } from './trace/file.js';
export type { Guess } from './trace/guesses.js';
export { HISTORY_LIMIT, History, type HistoryOptions, type StepSummary } from './trace/history.js';
export { records, type TraceRecord } from './trace/records.js';
export type { TraceModel, TraceRun, TraceToken, TraceTrack, TraceTurn, TraceValue } from './trace/run.js';
export { indexAt, madeAt, stepAt, type Timed, type Turn } from './trace/turns.js';
export { totalsOf, unionFacts, unionOf } from './trace/union.js';
export type { Weights } from './trace/weights.js';
export { writeTraceFile } from './trace/write.js';
export * from './trace.gen.js';
