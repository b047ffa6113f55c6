// Records a run with the page's own settings: node xtask/record.mjs MODEL OUT PRESET METHOD[,METHOD…]
// Every method gets the tokens of the first one, as the page does it by default.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { load } from 'attnscope';
import { History, writeTraceFile } from 'attnscope/trace';
import { runnerImport } from 'vite';

const [path, out, id, names] = process.argv.slice(2);

/** A module of the page, whose settings must not stand here a second time. */
async function fromPage(name) {
  const file = fileURLToPath(new URL(`../www/src/state/${name}.ts`, import.meta.url));
  // What it says in the words of the page is state of Svelte's.
  const plugins = [svelte({ configFile: false })];
  return (await runnerImport(file, { configFile: false, logLevel: 'error', plugins })).module;
}

const [{ PRESETS }, { defaults, given, ranWith, withBudget }, { BUDGET }, { promptIds }, { keptSettings }] = await Promise.all(
  ['presets', 'params', 'limits', 'prompt', 'kept'].map(fromPage),
);

function fail(why) {
  console.error(`error: ${why}`);
  process.exit(1);
}

const preset = PRESETS.find((p) => p.id === id) ?? fail(`no preset ${id}; there are ${PRESETS.map((p) => p.id).join(', ')}`);
const model = await load(path);
const unknown = names.split(',').find((name) => !model.methods.some((m) => m.name === name));
if (unknown !== undefined) fail(`no method ${unknown}; \`attnscope methods\` lists them`);
// In the order of the registry, as the page has them.
const methods = model.methods.filter(({ name }) => names.split(',').includes(name));

const ids = await promptIds(model, preset.text, preset.chat);
const budget = BUDGET.fresh;
const tracks = [];
const ends = [];
for (const method of methods) {
  const values = { ...withBudget(method, defaults(method), budget), ...preset.tuned?.[method.name] };
  const { end, ...track } = await record(method, given(method, values), tracks[0]?.steps);
  tracks.push(track);
  ends.push(end);
}

/** One method, led through `lead`'s tokens. */
async function record(method, given, lead) {
  const { name, title } = method;
  const session = await model.session({ method: name, params: given });
  const params = ranWith(method, session.options);
  const history = new History(model.info);
  const onProgress = ({ trace }) => trace && history.add(trace);
  const run = session.generate(ids, { maxTokens: preset.maxTokens, trace: 'sets', onProgress });
  const steps = [];
  let end = null;
  while (end === null && steps.length < (lead?.length ?? preset.maxTokens)) {
    const { value } = await run.next(lead?.[steps.length - 1]?.id);
    if (!value) break;
    history.add(value.trace);
    history.close();
    steps.push({ id: value.id, text: value.text });
    // The lead's end is the end of all; one that would end earlier is led on.
    end = lead ? null : value.end;
  }
  await run.return();
  await session.close();
  console.error(`    ${title}: ${JSON.stringify(steps.map((step) => step.text).join(''))}`);
  return { method: name, title, params, steps, tokensPerSecond: null, history, end };
}

const textOf = (id) => model.decode([id]);
const { text, chat, maxTokens } = preset;
const recipe = { preset: preset.id, text, chat, budget, maxTokens, sameTokens: true };
const attnscope = JSON.parse(readFileSync(new URL('../pkg/package.json', import.meta.url), 'utf8')).version;
const histories = tracks.map(({ history }) => history);
const bytes = await writeTraceFile({
  model: model.info,
  prompt: await Promise.all([...ids].map(async (id) => ({ id, text: await textOf(id) }))),
  settings: {
    ...(await keptSettings({ recipe, ends, attnscope }, histories, textOf)),
    file: basename(path),
    sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
  },
  tracks,
});
await model.close();
writeFileSync(out, bytes);
console.log(`${out}: ${bytes.length} bytes`);
