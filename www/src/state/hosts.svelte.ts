import { AttnscopeError, load, type Model, type Session, type SessionOptions } from 'attnscope';
import { t } from '../words/words.svelte.js';
import { canKeep, loader } from './loader.svelte.js';
import { codeOf } from './problems.js';

/** The same model once more, on several workers that share a text. */
class Hosts {
  /** How many are being started. */
  starting = $state(0);
  #running: { count: number; of: Model; model: Model } | null = null;

  /** A session on `model`, or on several hosts with the same weights, which compute on the CPU. */
  async session(model: Model, count: number, options: SessionOptions, signal?: AbortSignal): Promise<Session> {
    if (count < 2) return model.session(options);
    try {
      const spread = await this.#model(model, count, signal);
      return await spread.session({ ...options, backend: 'cpu' });
    } catch (thrown) {
      await this.failed(thrown);
      throw thrown;
    }
  }

  /** When one host is lost, all are; the next run starts others. */
  async failed(thrown: unknown): Promise<void> {
    if (codeOf(thrown) === 'host') await this.close();
  }

  /** Starts them, unless they run. */
  async #model(of: Model, count: number, signal?: AbortSignal): Promise<Model> {
    if (this.#running?.count === count && this.#running.of === of) return this.#running.model;
    await this.close();
    const { source } = loader;
    if (!source) throw new AttnscopeError('state', t('There is no model to start hosts with.'));
    this.starting = count;
    try {
      const model = await load(source, { hosts: count, signal, cache: canKeep(source) });
      this.#running = { count, of, model };
      if (loader.model === of) return model;
      await this.close();
      throw new AttnscopeError('closed', t('Another model took the place of this one.'));
    } finally {
      this.starting = 0;
    }
  }

  /** Each has the weights, so they do not outlive their use. */
  async close(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.model.close().catch(() => undefined);
  }
}

export const hosts = new Hosts();
