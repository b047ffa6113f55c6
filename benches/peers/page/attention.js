// One decode attention step of a layer, in all ways in turn, on the same numbers.
import * as onnxruntime from './onnxruntime.js';

const SHAPE = { queryHeads: 9, kvHeads: 3, headDim: 64 };
/** Milliseconds a measurement takes at least: the clock of a page is coarse. */
const LEAST = 60;

/** Numbers between -1 and 1, the same in every run, that f16 stores exactly. */
function numbers(length, seed) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 21) - 1024) / 1024;
  });
}

/** `count` of the slots for each head, ascending: the same for all heads, or each head its own. */
function choose(slots, count, apart) {
  const one = (head) => {
    const order = numbers(slots, 99 + head);
    const best = Array.from(order.keys()).sort((a, b) => order[a] - order[b] || a - b).slice(0, count);
    return best.sort((a, b) => a - b);
  };
  return Uint32Array.from(Array.from({ length: SHAPE.queryHeads }, (_, head) => one(apart ? head : 0)).flat());
}

/** The definition, in f64. `lists`: what each head reads; none: everything. */
function expected({ query, newKey, newValue, keys, values, past }, lists) {
  const { queryHeads, kvHeads, headDim } = SHAPE;
  const out = new Float64Array(queryHeads * headDim);
  const every = Array.from({ length: past + 1 }, (_, slot) => slot);
  const count = lists ? lists.length / queryHeads : 0;
  for (let head = 0; head < queryHeads; head++) {
    const kv = Math.floor((head * kvHeads) / queryHeads);
    const at = (rows, row, slot, c) => (slot < past ? rows[(kv * past + slot) * headDim + c] : row[kv * headDim + c]);
    const slots = lists ? Array.from(lists.subarray(head * count, (head + 1) * count)) : every;
    const scores = slots.map((slot) => {
      let sum = 0;
      for (let c = 0; c < headDim; c++) sum += query[head * headDim + c] * at(keys, newKey, slot, c);
      return sum / Math.sqrt(headDim);
    });
    const top = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((a, b) => a + b);
    slots.forEach((slot, i) => {
      for (let c = 0; c < headDim; c++) out[head * headDim + c] += (weights[i] / total) * at(values, newValue, slot, c);
    });
  }
  return out;
}

/** This project's kernels. */
async function ours({ past, keys, values, query, newKey, newValue }, lists) {
  const module = await WebAssembly.compileStreaming(fetch('/attention.wasm'));
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => { throw new Error(`${from}.${name} was called`); };
  }
  const { exports } = await WebAssembly.instantiate(module, imports);
  const { kvHeads, queryHeads, headDim } = SHAPE;
  exports.prepare(past + 1, lists.length / queryHeads);
  const write = (at, data) => new data.constructor(exports.memory.buffer, at, data.length).set(data);
  write(exports.queries(), query);
  [newKey, newValue].forEach((row, part) => write(exports.new_row(part), row));
  [keys, values].forEach((rows, part) => {
    for (let head = 0; head < kvHeads; head++) {
      const to = exports.rows(part) + head * (past + 1) * headDim * 4;
      write(to, rows.subarray(head * past * headDim, (head + 1) * past * headDim));
    }
  });
  write(exports.lists(), lists);
  exports.store();
  const run = (name) => async (times) => {
    exports[name](times);
    return new Float32Array(exports.memory.buffer, exports.output(), queryHeads * headDim).slice();
  };
  return { dense: { run: run('dense') }, sparse: { run: run('sparse') } };
}

/** Milliseconds of a step in every way, a list of runs each, and how far each is from the definition at most. */
export async function measure({ keys: count, share, runs }) {
  const { queryHeads, kvHeads, headDim } = SHAPE;
  const past = count - 1;
  const step = {
    shape: SHAPE,
    past,
    keys: numbers(kvHeads * past * headDim, 1),
    values: numbers(kvHeads * past * headDim, 2),
    query: numbers(queryHeads * headDim, 3).map((x) => 4 * x),
    newKey: numbers(kvHeads * headDim, 4),
    newValue: numbers(kvHeads * headDim, 5),
  };
  const listed = Math.round(count * share);
  const [together, apart] = [choose(count, listed, false), choose(count, listed, true)];
  const [one, other] = [await ours(step, together), await ours(step, apart)];
  const ways = {
    onnxruntime_web: { ...(await onnxruntime.constants(step)), want: expected(step) },
    onnxruntime_web_in_place: { ...(await onnxruntime.inPlace(step)), want: expected(step) },
    attnscope_dense: { ...one.dense, want: expected(step) },
    attnscope_sparse_shared: { ...one.sparse, want: expected(step, together) },
    attnscope_sparse_by_head: { ...other.sparse, want: expected(step, apart) },
  };
  const results = {};
  for (const [name, { run, want }] of Object.entries(ways)) {
    const got = await run(1);
    const error = got.reduce((most, x, i) => Math.max(most, Math.abs(x - want[i])), 0);
    // V8 compiles wasm twice, the second time while it runs: that is not what is measured.
    let times = 1;
    for (const end = performance.now() + 500; performance.now() < end; ) {
      const start = performance.now();
      await run(times);
      if (performance.now() - start < LEAST) times *= 2;
    }
    results[name] = { times, error, ms: [] };
  }
  for (let i = 0; i < runs; i++) {
    for (const [name, { run }] of Object.entries(ways)) {
      const start = performance.now();
      await run(results[name].times);
      results[name].ms.push((performance.now() - start) / results[name].times);
    }
  }
  for (const { close } of Object.values(ways)) close?.();
  return Object.fromEntries(Object.entries(results).map(([name, { error, ms }]) => [name, { error, ms }]));
}
