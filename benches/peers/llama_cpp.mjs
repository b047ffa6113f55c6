// llama.cpp itself, native, through the binary that comes inside an npm package: nothing is fetched or compiled.
import { getLlama } from 'node-llama-cpp';

/** @param {string} modelPath @param {number} contextSize */
export async function open(modelPath, contextSize) {
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: 1, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize, threads: 1 });
  const sequence = context.getSequence();
  return {
    tokenize: (text) => Array.from(model.tokenize(text)),
    detokenize: (ids) => model.detokenize(ids),
    async measure({ ids }, decode) {
      await sequence.clearHistory();
      const times = [performance.now()];
      const out = [];
      for await (const id of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        times.push(performance.now());
        out.push(id);
        if (out.length === decode) break;
      }
      return { times, ids: out };
    },
    close: () => llama.dispose(),
  };
}
