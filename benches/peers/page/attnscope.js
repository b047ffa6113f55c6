// This project, as its npm package: no bundler, in its own worker.
import { load } from '/pkg/index.js';
import { watch } from './memory.js';

export async function open(modelUrl) {
  const bytes = watch('attnscope');
  const model = await load(modelUrl);
  return {
    bytes,
    async measure({ ids }, decode) {
      const session = await model.session({ method: 'full' });
      const steps = session.generate(ids, { maxTokens: decode });
      const times = [performance.now()];
      const out = [];
      // Each proposed token is given back: that goes on where the text would end, as the others are told to.
      for (let step = await steps.next(); !step.done; step = await steps.next(step.value.id)) {
        times.push(performance.now());
        out.push(step.value.id);
        if (out.length === decode) break;
      }
      await steps.return();
      await session.close();
      return { times, ids: out };
    },
  };
}
