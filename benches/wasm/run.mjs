// Times the kernels in wasm on one thread: node benches/wasm/run.mjs kernels_wasm.wasm [part of a case's name]
// To build the module:
//   RUSTFLAGS='-C target-feature=+simd128' cargo build --release --target wasm32-unknown-unknown --example kernels_wasm
import { readFile } from 'node:fs/promises';

const [path, part = ''] = process.argv.slice(2);
// The kernels import nothing; what wasm-bindgen adds for other parts of the crate is never called.
const module = await WebAssembly.compile(await readFile(path));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  (imports[from] ??= {})[name] = () => { throw new Error(`${from}.${name} was called`); };
}
const { exports } = await WebAssembly.instantiate(module, imports);

const time = (index, times) => {
  const start = performance.now();
  exports.run(index, times);
  return (performance.now() - start) / times;
};
for (let index = 0; index < exports.count(); index++) {
  const name = new TextDecoder().decode(new Uint8Array(exports.memory.buffer, exports.name(index), exports.name_len(index)));
  if (!name.includes(part)) continue;
  // Warm up for 300 ms, so that the optimising compiler is done; then the median of runs of about 20 ms.
  let once = time(index, 1);
  for (const end = performance.now() + 300; performance.now() < end;) once = time(index, Math.ceil(5 / once) || 1);
  const runs = Array.from({ length: 15 }, () => time(index, Math.max(1, Math.ceil(20 / once)))).sort((a, b) => a - b);
  const ms = runs[runs.length >> 1];
  console.log(`${name.padEnd(48)} ${(ms * 1000).toFixed(1).padStart(9)} us ${(exports.work(index) / ms / 1e6).toFixed(2).padStart(7)} G/s`);
}
