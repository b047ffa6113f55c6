/** What a method read, kept and dropped, from its trace blocks. Positions are positions in the text, never slots. */
export { countBits, popcount } from './bits.js';
export { CacheView, KV_SETS, type PassKind, type Shape } from './trace/cache-view.js';
export { mergeEvents, nextEvent, type StepEvent } from './trace/events.js';
export { type Density, type Facts, FactsReader, NO_FACTS, type Prefill, type Trip } from './trace/facts.js';
export { isTraceFile, type ReadTraceOptions, readTraceFile, writeTraceFile } from './trace/file.js';
export type { Guess } from './trace/guesses.js';
export { HISTORY_LIMIT, History, type HistoryOptions, type StepSummary } from './trace/history.js';
export { records, type TraceRecord } from './trace/records.js';
export type { TraceModel, TraceRun, TraceToken, TraceTrack, TraceValue } from './trace/run.js';
export { totalsOf, unionFacts, unionOf } from './trace/union.js';
export type { Weights } from './trace/weights.js';
export * from './trace.gen.js';
