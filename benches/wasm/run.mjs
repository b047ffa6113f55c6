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

// Milliseconds of processor time, which other processes disturb less than time on the clock.
const time = (index, times) => {
  const start = process.cpuUsage();
  exports.run(index, times);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / times / 1000;
};
for (let index = 0; index < exports.count(); index++) {
  const name = new TextDecoder().decode(new Uint8Array(exports.memory.buffer, exports.name(index), exports.name_len(index)));
  if (!name.includes(part)) continue;
  // Warm up for 300 ms, so that the optimising compiler is done; then the median of runs of about 20 ms.
  let times = 1;
  for (const end = performance.now() + 300; performance.now() < end;) {
    if (time(index, times) * times < 20) times *= 2;
  }
  const runs = Array.from({ length: 21 }, () => time(index, times)).sort((a, b) => a - b);
  const rate = (ms) => (exports.work(index) / ms / 1e6).toFixed(2);
  const ms = runs[runs.length >> 1];
  console.log(`${name.padEnd(48)} ${(ms * 1000).toFixed(1).padStart(9)} us ${rate(ms).padStart(7)} G/s (best ${rate(runs[0])})`);
}
