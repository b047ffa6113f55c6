import { type KeptModel, models, removeModel } from 'attnscope';
import { bytes } from 'attnscope/view';
import { t } from '../words/words.svelte.js';
import { type Problem, problem } from './problems.js';

/** Models that this browser keeps, so that another visit needs no network for them. */
class Downloads {
  /** Complete ones and those on their way; empty where nothing can be kept. */
  list = $state.raw<readonly KeptModel[]>([]);
  /** What came of removing one, in words. */
  removed = $state('');
  problem = $state.raw<Problem | null>(null);

  async look(): Promise<void> {
    this.list = await models().catch(() => []);
  }

  /** What is kept of the file at an address. */
  of(url: string): KeptModel | undefined {
    const href = URL.canParse(url, location.href) && new URL(url, location.href).href;
    return this.list.find((model) => model.url === href);
  }

  async remove({ name, bytes: size }: KeptModel): Promise<void> {
    this.removed = '';
    this.problem = null;
    try {
      if (await removeModel(name))
        this.removed = t('{file} is removed: {bytes} are free again.', { file: fileOf(name), bytes: bytes(size) });
    } catch (thrown) {
      this.problem = problem(thrown);
    }
    await this.look();
  }
}

/** The last part of an address, as people know a file. */
export function fileOf(url: string): string {
  return url.split('/').at(-1) || url;
}

export const downloads = new Downloads();
