// onnxruntime-web's GroupQueryAttention on its wasm back end, one thread, SIMD. Through its JavaScript interface and, to
// spare it every copy of the cache, through the C interface that its module exports.
import * as ort from '/ort/ort.wasm.min.mjs';
import makeRuntime from '/ort/ort-wasm-simd-threaded.mjs';
import { groupQueryAttention } from './onnx.js';

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';

/** Keys and values are constants of the model, so that a run carries one row in and one out. */
export async function constants({ shape, past, keys, values, query, newKey, newValue }) {
  const model = groupQueryAttention({ ...shape, past, room: past, keys, values });
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  const row = (data) => new ort.Tensor('float32', data, [1, 1, data.length]);
  const feeds = { query: row(query), key: row(newKey), value: row(newValue) };
  return {
    run: async (times) => {
      for (let i = 1; i < times; i++) await session.run(feeds);
      return (await session.run(feeds)).output.data;
    },
    close: () => session.release(),
  };
}

/** Keys and values are inputs and outputs in the same place, with room for the new row: nothing is copied. */
export async function inPlace({ shape, past, keys, values, query, newKey, newValue }) {
  const wasm = await makeRuntime({ numThreads: 1 });
  const check = (failed) => {
    if (!failed) return;
    const at = wasm.stackAlloc(8);
    wasm._OrtGetLastError(at, at + 4);
    throw new Error(`onnxruntime: ${wasm.UTF8ToString(wasm.getValue(at + 4, '*'))}`);
  };
  const room = past + 1;
  const put = (data) => {
    const at = wasm._malloc(data.byteLength);
    wasm.HEAPU8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    return at;
  };
  const text = (string) => put(new TextEncoder().encode(`${string}\0`));
  const tensor = (at, dims) => {
    const handle = wasm._OrtCreateTensor(1, at, dims.reduce((a, b) => a * b, 4), put(Int32Array.from(dims)), dims.length, 1);
    check(handle === 0);
    return handle;
  };
  const rows = (data) => {
    const { kvHeads, headDim } = shape;
    const all = new Float32Array(kvHeads * room * headDim);
    for (let head = 0; head < kvHeads; head++) {
      all.set(data.subarray(head * past * headDim, (head + 1) * past * headDim), head * room * headDim);
    }
    return tensor(put(all), [1, kvHeads, room, headDim]);
  };
  check(wasm._OrtInit(1, 3) !== 0);
  const options = wasm._OrtCreateSessionOptions(99, true, true, 0, false, 0, 0, 3, 0, 0);
  check(options === 0);
  const model = groupQueryAttention({ ...shape, past, room });
  const session = await wasm._OrtCreateSession(put(model), model.byteLength, options);
  check(session === 0);
  const runOptions = wasm._OrtCreateRunOptions(3, 0, false, 0);
  const pointers = (list) => put(Int32Array.from(list));
  const names = (list) => pointers(list.map(text));
  const [cacheKeys, cacheValues] = [rows(keys), rows(values)];
  const row = (data) => tensor(put(data), [1, 1, data.length]);
  const into = put(new Float32Array(query.length));
  const inputs = pointers([row(query), row(newKey), row(newValue), cacheKeys, cacheValues]);
  const inputNames = names(['query', 'key', 'value', 'past_key', 'past_value']);
  const outputs = pointers([tensor(into, [1, 1, query.length]), cacheKeys, cacheValues]);
  const outputNames = names(['output', 'present_key', 'present_value']);
  return {
    run: async (times) => {
      for (let i = 0; i < times; i++) {
        check((await wasm._OrtRun(session, inputNames, inputs, 5, outputNames, 3, outputs, runOptions)) !== 0);
      }
      return new Float32Array(wasm.HEAPU8.buffer, into, query.length).slice();
    },
    close: () => wasm._OrtReleaseSession(session),
  };
}
