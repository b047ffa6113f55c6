// llama.cpp compiled to wasm. Without cross-origin isolation it takes its single-thread path.
import { Wllama } from '/wllama/index.js';
import { watch } from './memory.js';

export async function open(modelUrl, contextSize) {
  const bytes = watch('wllama');
  const quiet = { debug() {}, log() {}, warn: console.warn, error: console.error };
  const wllama = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { suppressNativeLog: true, logger: quiet });
  const model = await (await fetch(modelUrl)).blob();
  await wllama.loadModel([model], { n_threads: 1, n_ctx: contextSize, n_gpu_layers: 0, n_parallel: 1 });
  if (wllama.getNumThreads() !== 1) throw new Error(`wllama took ${wllama.getNumThreads()} threads`);
  return {
    bytes,
    async measure({ ids, text }, decode) {
      // Beside the typed API, fields of llama.cpp's server: no stop at the end of the text, its own times.
      const greedy = { temperature: 0, top_k: 1, max_tokens: decode, n_predict: decode, ignore_eos: true };
      const times = [performance.now()];
      let own = null;
      const stream = await wllama.createCompletion({
        prompt: text,
        stream: true,
        cache_prompt: false,
        timings_per_token: true,
        ...greedy,
      });
      for await (const chunk of stream) {
        if (chunk.choices?.[0]?.finish_reason == null) times.push(performance.now());
        own = chunk.timings ?? own;
      }
      if (own?.prompt_n !== ids.length) throw new Error(`wllama read ${own?.prompt_n} tokens, not ${ids.length}`);
      return { times };
    },
  };
}
