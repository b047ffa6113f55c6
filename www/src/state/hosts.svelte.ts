import { AttnscopeError, type Engine, type Model, open } from 'attnscope';
import { loader } from './loader.svelte.js';

/** The method that can be spread over workers; the engine refuses any other there. */
export const SPREADS = 'star_attention';

/** The same model once more, on several workers that share a text. */
class Hosts {
  /** How many are being started. */
  starting = $state(0);
  #running: { count: number; of: Model | null; engine: Engine; model: Model } | null = null;

  /** Starts them, unless they run. */
  async model(count: number, signal?: AbortSignal): Promise<Model> {
    const { model: of, source } = loader;
    if (this.#running?.count === count && this.#running.of === of) return this.#running.model;
    await this.close();
    if (!source) throw new AttnscopeError('state', 'There is no model to start hosts with.');
    this.starting = count;
    try {
      const engine = await open({ hosts: count });
      const model = await engine.load(source, { signal });
      this.#running = { count, of, engine, model };
      return model;
    } finally {
      this.starting = 0;
    }
  }

  /** Each has the weights, so they do not outlive their use. */
  async close(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.engine.close().catch(() => undefined);
  }
}

export const hosts = new Hosts();
