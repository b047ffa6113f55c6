import type { Border } from './engine.js';
import { AttnscopeError, attempt } from './errors.js';
import type * as Api from './types.js';

type Backend = 'cpu' | 'gpu';

/** Tokens of the trial: a few to get going, then those that are timed. */
const PROMPT = 8;
const TIMED = 4;

/** What computes: opens the GPU when a session wants it, and finds out which of both is faster. */
export class Backends {
  #gpu: Promise<Api.GpuInfo> | undefined;

  constructor(private readonly border: Border) {}

  /** The GPU, opened and tested beside the CPU; a failure may be tried again. */
  gpu(): Promise<Api.GpuInfo> {
    this.#gpu ??= this.border.openGpu().catch((thrown: unknown) => {
      this.#gpu = undefined;
      return attempt(() => {
        throw thrown;
      });
    });
    return this.#gpu;
  }

  /** The GPU is gone: whoever wants it opens it anew. */
  lost(): void {
    this.#gpu = undefined;
  }

  /** What a session asked for, the GPU being open if it is that. `fastest` is asked at most once a model. */
  async choose(wanted: Api.SessionOptions['backend'], fastest: () => Promise<Backend>): Promise<Backend> {
    switch (wanted) {
      case undefined:
      case 'cpu':
        return 'cpu';
      case 'gpu':
        await this.gpu();
        return 'gpu';
      case 'auto': {
        const software = await this.gpu().then(
          (info) => info.software,
          () => true,
        );
        // An adapter that computes on the CPU cannot be faster than what was written for it.
        return software ? 'cpu' : fastest();
      }
      default:
        throw new AttnscopeError('param', `backend = ${String(wanted)}; allowed: cpu, gpu, auto`);
    }
  }
}

/** The faster of both for decoding, by a few tokens of full attention on each; the CPU where the GPU fails. */
export async function measure(open: (backend: Backend) => Promise<Api.Session>): Promise<Backend> {
  const seconds = async (backend: Backend): Promise<number> => {
    const session = await open(backend);
    try {
      let begun = 0;
      const prompt = Uint32Array.from({ length: PROMPT }, (_, id) => id + 1);
      for await (const step of session.generate(prompt, { maxTokens: TIMED + 1 })) {
        // It failed and went on on the other.
        if (step.backend !== backend) return Number.POSITIVE_INFINITY;
        if (step.index === 0) begun = performance.now();
      }
      return performance.now() - begun;
    } finally {
      await session.close();
    }
  };
  const gpu = await seconds('gpu').catch(() => Number.POSITIVE_INFINITY);
  return gpu < (await seconds('cpu')) ? 'gpu' : 'cpu';
}
