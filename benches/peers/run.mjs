// Started by `cargo xtask bench peers`, which names the browser, the model and our command line in the environment.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { attention, attentionTable } from './attention.mjs';
import * as cli from './attnscope_cli.mjs';
import * as browser from './browser.mjs';
import * as llamaCpp from './llama_cpp.mjs';
import { prompt } from './prompt.mjs';
import { median, speeds, table } from './report.mjs';

const text = { type: 'string' };
const options = { 'prompt-tokens': text, decode: text, runs: text, only: text, json: text };
const { values: args } = parseArgs({ options });
const { CHROME, ATTNSCOPE_MODEL: model, ATTNSCOPE_CLI, ATTENTION_WASM } = process.env;
const lengths = (args['prompt-tokens'] ?? '331,1900').split(',').map(Number);
const [decode, runs] = [Number(args.decode ?? 64), Number(args.runs ?? 3)];
const names = ['attnscope', 'wllama', 'llama_cpp_native', 'attnscope_native'];
const STEP = 'onnxruntime_web';
const wanted = args.only ? args.only.split(',') : [...names, STEP];
const unknown = wanted.find((name) => name !== STEP && !names.includes(name));
if (unknown) throw new Error(`no runtime ${unknown}; there are ${[...names, STEP].join(', ')}`);
const only = wanted.filter((name) => name !== STEP);
const context = Math.max(...lengths) + decode + 64;

const note = (message) => process.stderr.write(`    ${message}\n`);
if (loadavg()[0] > 0.7) note(`This machine is busy (load ${loadavg()[0].toFixed(1)}): these speeds will be too low`);
const result = {};
if (only.length > 0) result.cases = await generation();
if (wanted.includes(STEP)) {
  result.attention = await attention(CHROME, ATTENTION_WASM, runs, note);
  console.log(attentionTable(result.attention));
}
// The ids served to compare texts; the file is about speed.
const json = JSON.stringify(result, (key, value) => (key === 'ids' ? undefined : value), 2);
if (args.json) await writeFile(args.json, `${json}\n`);

/** Whole texts: prefill and decode of every runtime, in turn. */
async function generation() {
  const engines = {};
  const llama = await llamaCpp.open(model, context);
  if (only.includes('llama_cpp_native')) engines.llama_cpp_native = llama;
  if (only.includes('attnscope_native')) {
    if (!existsSync(ATTNSCOPE_CLI)) throw new Error(`${ATTNSCOPE_CLI} is not there`);
    engines.attnscope_native = await cli.open(ATTNSCOPE_CLI, model);
  }
  const inBrowser = only.filter((name) => name === 'attnscope' || name === 'wllama');
  const page = inBrowser.length > 0 ? await browser.open(CHROME, model, inBrowser, context) : null;
  Object.assign(engines, page?.engines);
  if (page) note(`Chromium ${page.version}`);

  // V8 compiles wasm twice, the second time while it runs: that is not what we measure.
  const warmUp = prompt(llama, 64);
  for (const name of only) await engines[name].measure(warmUp, 16);

  const cases = [];
  for (const length of lengths) {
    const text = prompt(llama, length);
    const measured = Object.fromEntries(only.map((name) => [name, []]));
    for (let run = 1; run <= runs; run++) {
      for (const name of only) {
        const result = speeds(await engines[name].measure(text, decode), length, decode);
        measured[name].push(result);
        note(`${length} tokens, run ${run}, ${name}: ${result.prefill_tps.toFixed(1)} ${result.decode_tps.toFixed(1)}`);
      }
    }
    const entry = { prompt_tokens: length };
    for (const name of only) {
      entry[name] = {
        prefill_tps: median(measured[name].map((result) => result.prefill_tps)),
        decode_tps: median(measured[name].map((result) => result.decode_tps)),
        peak_wasm_bytes: (await engines[name].bytes?.()) ?? undefined,
        ids: measured[name][0].ids,
      };
    }
    cases.push(entry);
  }
  await page?.close();
  await engines.attnscope_native?.close();
  await llama.close();
  console.log(table(cases, only));
  return cases;
}
