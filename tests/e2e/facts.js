import { ALL_HEADS, Kind, PAYLOAD, RECORD } from 'attnscope/trace';
import { replay } from './replay.js';

/**
 * What a trace says of a run, told again from its bytes: no code is shared with the package but the numbers of the kinds.
 * @param {{ layers: number, queryHeads: number, kvHeads: number }} info
 * @param {Uint8Array[]} steps
 */
export function tell(info, steps) {
  const all = steps.flatMap(parse);
  const last = replay(info, steps);
  const pairs = all.filter(({ kind }) => kind === Kind.readBlocks);
  const blocks = pairs.map(({ a }) => a >>> 16);
  return {
    length: last.length,
    ...layersOf(info, last),
    blocksRead: pairs.reduce((sum, { bits }) => sum + bits, 0),
    blocksThere: blocks.reduce((sum, n) => sum + (n * (n + 1)) / 2, 0),
    star: starOf(all),
    choices: all
      .filter(({ kind, head }) => kind === Kind.choice && head !== ALL_HEADS)
      .map(({ layer, head, a, b }) => ({ layer, head, number: float(a), cut: float(b) })),
    folds: all.filter(({ kind }) => kind === Kind.fold).length,
    corrected: all.reduce((sum, { kind, aux, b }) => sum + (kind === Kind.pass && aux === 4 ? b : 0), 0),
    upperPlane: upperPlane(all),
    ...guessesOf(all),
    ...poolsOf(info, last, all),
    ...roundsOf(info, last, all),
  };
}

/** A row in the cache, however it is stored there. */
const isKept = (state) => ['stored', 'merged', 'quantised', 'parked'].includes(state);

/** A layer chooses when the one after it reads less, and all up to the next that reads everything read the same. */
function layersOf({ layers, queryHeads, kvHeads }, { length, reads, storage }) {
  const sets = Array.from({ length: layers }, (_, l) =>
    Array.from({ length: queryHeads }, (_, h) =>
      Array.from({ length }, (_, p) => (reads(l, h, p) === 'read' ? p : -1)).filter((p) => p >= 0),
    ),
  );
  const stored = (l, h) =>
    Array.from({ length }, (_, p) => storage(l, Math.floor((h * kvHeads) / queryHeads), p)).filter(isKept);
  const all = sets.map((heads, l) => heads.every((set, h) => set.length === stored(l, h).length));
  const same = (a, b) => JSON.stringify(sets[a]) === JSON.stringify(sets[b]);
  const choosing = [];
  let reusing = 0;
  for (let l = 0; l + 1 < layers; l++) {
    if (!all[l] || all[l + 1]) continue;
    const end = all.indexOf(true, l + 1) < 0 ? layers : all.indexOf(true, l + 1);
    const run = Array.from({ length: end - l - 1 }, (_, i) => l + 1 + i);
    if (!run.every((other) => same(other, l + 1))) continue;
    choosing.push(l);
    reusing += run.length;
  }
  return { choosing, reusing };
}

/** Passes of the prompt, each with the runs that the first head of the first layer reads. */
function starOf(all) {
  const passes = [];
  for (const { kind, aux, layer, head, a, b } of all) {
    if (kind === Kind.token) break;
    if (kind === Kind.pass && aux === 0) passes.push({ first: a, rows: b, runs: [] });
    if (kind === Kind.readRun && layer === 0 && head === 0) passes.at(-1)?.runs.push([a, b]);
  }
  const anchor = passes.find(({ runs }) => runs.length === 2)?.runs[0][1] ?? 0;
  // All but the question.
  const blocks = passes.slice(0, -1);
  return { count: blocks.length, size: Math.max(0, ...blocks.map(({ rows }) => rows)), anchor };
}

/** Whether a draft read quantised rows by their upper plane alone. */
function upperPlane(all) {
  let pass = 0;
  for (const { kind, aux } of all) {
    if (kind === Kind.pass) pass = aux;
    if (kind === Kind.readAll && pass === 2 && aux === 1) return true;
  }
  return false;
}

function guessesOf(all) {
  let guesses = new Map();
  let checked = false;
  let [guessed, held] = [0, 0];
  /** Of the newest round, in the order of its guesses. */
  let judged = [];
  for (const { kind, aux, a, b } of all) {
    if (kind === Kind.pass && aux === 2 && checked) {
      guesses = new Map();
      checked = false;
    }
    if (kind === Kind.token && aux === 2) guesses.set(b, a);
    if (kind === Kind.pass && aux === 3) {
      checked = true;
      guessed += guesses.size;
      judged = Array(guesses.size).fill(false);
    }
    if (kind === Kind.token && aux === 0 && checked && guesses.get(b) === a) {
      held++;
      judged[[...guesses.keys()].indexOf(b)] = true;
    }
  }
  return { guessed, held, judged };
}

/** Rows of a KV head, mean over all, before and from the end of the prompt. */
function poolsOf({ layers, kvHeads }, { length, storage }, all) {
  const prompt = all.find(({ kind }) => kind === Kind.token)?.b ?? 0;
  let [promptRows, writtenRows] = [0, 0];
  for (let l = 0; l < layers; l++)
    for (let h = 0; h < kvHeads; h++)
      for (let p = 0; p < length; p++)
        if (isKept(storage(l, h, p))) {
          if (p < prompt) promptRows++;
          else writtenRows++;
        }
  const heads = layers * kvHeads;
  return { promptRows: Math.round(promptRows / heads), writtenRows: Math.round(writtenRows / heads) };
}

/** The rounds that the layer above the one with the newest table reads, and how many rows are in the far tier. */
function roundsOf({ layers, kvHeads }, { reads }, all) {
  const parked = new Set();
  const starts = [];
  let table = null;
  for (const { kind, layer, head, aux, a, b } of all) {
    if (kind === Kind.pass && aux === 0) starts.push(a);
    if (kind === Kind.note) table = { layer, columns: a + 1 };
    if (kind !== Kind.park && kind !== Kind.fetch) continue;
    for (const h of head === ALL_HEADS ? Array.from({ length: kvHeads }, (_, i) => i) : [head])
      for (let p = a; p < a + b; p++) {
        const row = (layer * kvHeads + h) * 2 ** 16 + p;
        if (kind === Kind.park) parked.add(row);
        else parked.delete(row);
      }
  }
  if (!table || table.layer + 1 >= layers) return { rounds: null };
  const rounds = starts.slice(-table.columns - 1);
  const read = rounds.filter((first) => reads(table.layer + 1, 0, first) === 'read').length;
  return { rounds: { layer: table.layer, read, all: rounds.length, parked: parked.size } };
}

/** A number whose bits are those of an f32. */
function float(bits) {
  return new Float32Array(Uint32Array.of(bits).buffer)[0];
}

/** @param {Uint8Array} block */
function parse(block) {
  const data = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const out = [];
  for (let at = 0; at < block.length; ) {
    const [kind, layer, head, aux] = block.subarray(at, at + 4);
    const [a, b] = [data.getUint32(at + 8, true), data.getUint32(at + 12, true)];
    const payload = PAYLOAD.includes(kind) ? b * RECORD : 0;
    let bits = 0;
    for (const byte of block.subarray(at + RECORD, at + RECORD + payload))
      bits += byte.toString(2).replaceAll('0', '').length;
    out.push({ kind, layer, head, aux, a, b, bits });
    at += RECORD + payload;
  }
  return out;
}
