// Started by `cargo xtask bench methods`: node run.mjs MODULE MODEL CONTEXTS ONLY PREFILLS TURNS TOKENS
// MODULE is what wasm-bindgen made for Node. Prints a line of JSON for each context and setting. Hosts are measured in a
// browser, which the task names in the environment.
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [path, model, contexts, only, ...counts] = process.argv.slice(2);
const PORTION = 1 << 20;

globalThis.processorSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const { Bench } = await import(pathToFileURL(resolve(path)).href);
const bench = new Bench();
const file = await open(model);
for (const portion = new Uint8Array(PORTION); ; ) {
  const { bytesRead } = await file.read(portion);
  if (bytesRead === 0) break;
  bench.push(portion.subarray(0, bytesRead));
}
await file.close();
bench.finish();

let shown = '';
const progress = (what, done, total) => {
  const line = `    ${what.padEnd(40)} ${Math.floor((100 * done) / Math.max(total, 1))}%`;
  // Only a terminal can draw over a line; a log gets none.
  if (line !== shown && process.stderr.isTTY) process.stderr.write(`\r${(shown = line)}`);
};
for (const context of contexts.split(',')) {
  const names = only ? only.split(',') : [];
  const [size, [prefills, turns, tokens]] = [Number(context), counts.map(Number)];
  for (const row of bench.measure(names, size, prefills, turns, tokens, progress)) console.log(row);
  const hosts = bench.hosts(names, size).map((row) => JSON.parse(row));
  if (hosts.length === 0) continue;
  const { measure } = await import('./workers.mjs');
  const rows = await measure(hosts, [...bench.prompt(size)], { prefills, turns, tokens }, progress);
  for (const row of rows) console.log(JSON.stringify({ phase: 'hosts', context: size, ...row }));
}
if (shown) process.stderr.write('\n');
