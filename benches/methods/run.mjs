// Started by `cargo xtask bench methods`: node run.mjs MODULE MODEL CONTEXTS ONLY PREFILLS TURNS TOKENS
// Prints a line of JSON for each context and setting.
import { open, readFile } from 'node:fs/promises';

const [path, model, contexts, only, ...counts] = process.argv.slice(2);
const PORTION = 1 << 20;

const text = (at, length) => new TextDecoder().decode(new Uint8Array(exports.memory.buffer, at, length));
let shown = '';
const bench = {
  now: () => performance.now() / 1000,
  progress: (what, length, done, total) => {
    const line = `    ${text(what, length).padEnd(40)} ${Math.floor((100 * done) / Math.max(total, 1))}%`;
    // Only a terminal can draw over a line; a log gets none.
    if (line !== shown && process.stderr.isTTY) process.stderr.write(`\r${(shown = line)}`);
  },
  answer: (at, length, failed) => {
    if (failed) throw new Error(text(at, length));
    console.log(text(at, length));
  },
};
const module = await WebAssembly.compile(await readFile(path));
const imports = { bench };
// What wasm-bindgen adds for the crate's border to JavaScript is never called.
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  if (from !== 'bench') (imports[from] ??= {})[name] = () => { throw new Error(`${from}.${name} was called`); };
}
const { exports } = await WebAssembly.instantiate(module, imports);
const write = (bytes) => {
  // Asked first: making room can move the memory.
  const at = exports.portion(bytes.length);
  new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
};

const file = await open(model);
for (const portion = new Uint8Array(PORTION); ; ) {
  const { bytesRead } = await file.read(portion);
  if (bytesRead === 0) break;
  write(portion.subarray(0, bytesRead));
  exports.push();
}
await file.close();
exports.finish();
for (const context of contexts.split(',')) {
  write(new TextEncoder().encode(only));
  exports.measure(Number(context), ...counts.map(Number));
}
if (shown) process.stderr.write('\n');
