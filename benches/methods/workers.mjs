// Hosts as Web Workers: the package as it is published, in one page of a headless browser. Time is on the clock, for hosts
// work at once.
import { openPackage, SKIP } from '../../tests/e2e/package.js';

/** V8 compiles wasm twice, the second time while it runs: that is not what is measured. */
const WARM_UP = { prompt: 256, tokens: 8 };

/** @param {number[]} values */
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

/**
 * What `threads.rs` measures natively.
 * @param {{ name: string, method: string, hosts: number, params: Record<string, number>, work: number }[]} arrangements
 * @param {number[]} prompt token ids
 * @param {{ prefills: number, turns: number, tokens: number }} size
 * @param {(what: string, done: number, total: number) => void} progress
 */
export async function measure(arrangements, prompt, { prefills, turns, tokens }, progress) {
  if (SKIP) throw new Error(SKIP);
  const { page, errors, close } = await openPackage();
  const all = arrangements.map((one) => ({ ...one, read: [], made: [], sent: 0 }));
  try {
    await page.evaluate(prepare);
    const read = (at, ids, most) => page.evaluate(([at, ids, most]) => bench.read(at, ids, most), [at, ids, most]);
    const make = (at, count) => page.evaluate(([at, count]) => bench.make(at, count), [at, count]);
    for (const [at, one] of all.entries()) {
      progress(`${one.name} warms up`, at, all.length);
      await page.evaluate((one) => bench.open(one), arrangements[at]);
      await read(at, prompt.slice(0, WARM_UP.prompt), WARM_UP.tokens + 1);
      await make(at, WARM_UP.tokens);
    }
    for (let run = 0; run < Math.max(prefills, 1); run++) {
      for (const [at, one] of all.entries()) {
        progress(`${one.name} reads ${prompt.length} tokens`, run, Math.max(prefills, 1));
        one.read.push(await read(at, prompt, turns * tokens + 1));
      }
    }
    for (let turn = 0; turn < turns; turn++) {
      progress('making tokens, by hosts', turn, turns);
      for (const [at, one] of all.entries()) {
        const { seconds, sent } = await make(at, tokens);
        one.made.push(seconds / tokens);
        one.sent += sent;
      }
    }
  } finally {
    await close();
  }
  if (errors.length > 0) throw new Error(errors.join('\n'));
  return all.map(({ name, hosts, work, read, made, sent }) => ({
    name,
    hosts,
    prefill: { seconds: median(read), work },
    decode: { seconds: median(made), exchanged: sent / (turns * tokens) },
  }));
}

/** Runs in the page: leaves there what opens an arrangement, has it read a prompt and make tokens, in seconds. */
async function prepare() {
  const { load } = await import('/attnscope/index.js');
  // Whoever has as many workers shares them: the others wait meanwhile.
  const [models, sessions, texts] = [new Map(), [], []];
  const clock = async (work) => {
    const begun = performance.now();
    const sent = await work();
    return { seconds: (performance.now() - begun) / 1000, sent };
  };
  const steps = async (text, count) => {
    let sent = 0;
    for (let n = 0; n < count; n++) sent += (await text.next()).value.exchangedBytes ?? 0;
    return sent;
  };
  globalThis.bench = {
    async open({ method, hosts, params }) {
      // A model on hosts runs Star Attention alone.
      const workers = method === 'full' ? undefined : hosts;
      if (!models.has(workers)) models.set(workers, await load('/model.gguf', { hosts: workers, hostTimeout: 600_000 }));
      sessions.push(await models.get(workers).session({ method, params, ignoreEos: true }));
    },
    async read(at, ids, maxTokens) {
      await texts[at]?.return();
      texts[at] = sessions[at].generate(ids, { maxTokens });
      return (await clock(() => steps(texts[at], 1))).seconds;
    },
    make: (at, count) => clock(() => steps(texts[at], count)),
  };
}
