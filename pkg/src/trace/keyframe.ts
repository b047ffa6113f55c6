/** The whole state of a `CacheView` at one moment, as bytes. */
import { type CacheView, KV_SETS } from './cache-view.js';

export interface Keyframe {
  words: number;
  length: number;
  pass: CacheView['pass'];
  totals: CacheView['totals'];
  /** The sets and counts, in the order of `fields`, and the weights. */
  bytes: Uint8Array;
}

export function takeKeyframe(view: CacheView): Keyframe {
  const all = [...fields(view), view.weights.pack()];
  const words = new Uint32Array(all.reduce((sum, field) => sum + field.length, 0));
  let at = 0;
  for (const field of all) {
    words.set(field, at);
    at += field.length;
  }
  const { pass, totals, length } = view;
  return { words: view.words, length, pass, totals: { ...totals }, bytes: new Uint8Array(words.buffer) };
}

/** Puts a view of the same shape into the state of a keyframe, whose `bytes` may lie anywhere. */
export function restoreKeyframe(view: CacheView, { words, length, pass, totals, bytes }: Keyframe): void {
  view.resize(words);
  Object.assign(view, { length, pass });
  view.totals = { ...totals };
  let at = 0;
  for (const field of fields(view)) {
    new Uint8Array(field.buffer, field.byteOffset, field.byteLength).set(bytes.subarray(at, at + field.byteLength));
    at += field.byteLength;
  }
  view.weights.unpack(new Uint32Array(bytes.slice(at).buffer));
}

function fields(view: CacheView): Uint32Array[] {
  return [...KV_SETS.map((name) => view[name]), view.read, view.before, view.storedRows, view.evictedRows];
}
