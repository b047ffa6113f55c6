/** Copies a link to what is on the page, and takes one over. */
import type { MethodInfo } from 'attnscope';
import { count } from 'attnscope/view';
import { advisor } from '../state/advisor.svelte.js';
import { loader } from '../state/loader.svelte.js';
import { look, takeLook } from '../state/look.js';
import type { Values } from '../state/params.js';
import { PRESETS } from '../state/presets.js';
import type { Look } from '../state/recipe.js';
import { run } from '../state/run.svelte.js';
import { settings } from '../state/settings.svelte.js';
import { t } from '../words/words.svelte.js';
import { fitsLink, MAX_LINK_TEXT, readLink, type Shared, writeLink } from './link.js';

export interface Notice {
  title: string;
  detail: string;
  /** Brings back what a link has replaced. */
  undo?: () => void;
}

const NOWHERE: Look = { mode: 'reads', step: null, cell: null };

class Share {
  notice = $state.raw<Notice | null>(null);
  /** Where a run is to be looked at that has not got there yet, with which settings, and in which method. */
  #wanted: { look: Look; recipe: string; method: string | undefined } | null = null;
  /** What the address says and was taken over, or was made here. */
  #known = '';

  async copy(): Promise<void> {
    const shared = this.#shared();
    const hash = writeLink(shared, loader.methods);
    history.replaceState(null, '', `#${hash}`);
    this.#known = location.hash;
    const { text, preset } = shared.recipe;
    const left = preset === 'own' && !fitsLink(text);
    const size = t('The prompt has {n} characters, and a link takes {most}: it is not in it. A trace file has it.', {
      n: count(text?.length ?? 0),
      most: count(MAX_LINK_TEXT),
    });
    // Without a safe origin there is no clipboard.
    const copied = await (navigator.clipboard?.writeText(location.href) ?? Promise.reject()).then(
      () => true,
      () => false,
    );
    const title = copied ? t('The link is copied') : t('The link is in the address bar');
    const usual = t('It has the prompt, the methods with their values, and what is shown.');
    const without = run.recorded ? unknown() : advisor.composed ? [advisor.composed.method.title] : [];
    const missing = without.map((name) => t('A link has no place for methods together: {name} is left out.', { name }));
    if (PRESETS.find(({ id }) => id === preset)?.pictures) missing.push(t('Drawings are in no link.'));
    this.notice = { title, detail: [left ? size : usual, ...missing].join(' ') };
  }

  /** Takes over the link in the address, if there is one. */
  open(registry: readonly MethodInfo[]): void {
    if (registry.length === 0 || location.hash === this.#known) return;
    this.#known = location.hash;
    const { value, notes } = readLink(location.hash, registry);
    if (!value && notes.length === 0) return;
    const detail = notes.join(' ');
    if (!value) {
      this.notice = { title: t('This link cannot be used'), detail };
      return;
    }
    const before = $state.snapshot(settings.all);
    settings.take(value.recipe, value.params);
    settings.all.mode = value.look.mode;
    const undo = () => {
      settings.all = before;
      history.replaceState(null, '', location.pathname + location.search);
    };
    const title = notes.length > 0 ? t('Not all of this link could be used') : t('These are the settings of a link');
    this.notice = { title, detail: notes.length > 0 ? detail : t('Run shows what they lead to.'), undo };
    const method = value.look.cell ? Object.keys(value.params)[value.look.cell.track] : undefined;
    this.#wanted = { look: value.look, recipe: writeLink({ ...value, look: NOWHERE }, registry), method };
    this.resume();
  }

  /** Looks where the link says, as soon as a run with its settings is there. To be called at every step. */
  resume(): void {
    const wanted = this.#wanted;
    if (!wanted || run.step === 0) return;
    const shown = writeLink(
      { recipe: run.recipe ?? settings.recipe(), params: asked(), look: NOWHERE },
      loader.methods,
    );
    if (shown !== wanted.recipe) return;
    const { step, cell } = wanted.look;
    if (run.busy && run.step <= (step ?? (cell ? 0 : -1))) return;
    this.#wanted = null;
    const track = run.tracks.findIndex(({ method }) => method.name === wanted.method);
    const notes = takeLook({ ...wanted.look, cell: cell && { ...cell, track } });
    if (notes.length > 0) this.notice = { title: t('Not all of this link could be used'), detail: notes.join(' ') };
    else if (run.recorded) this.notice = null;
  }

  /** What the controls say; of a recorded run, what that was made with. */
  #shared(): Shared {
    const { recipe, recorded } = run;
    if (recorded && recipe) return { recipe, params: asked(), look: look() };
    const { all } = settings;
    const chosen = settings
      .chosen(loader.methods)
      .map(({ name }) => [name, $state.snapshot(all.params[name])] as const);
    return { recipe: settings.recipe(), params: Object.fromEntries(chosen), look: look() };
  }
}

const known = (name: string) => loader.methods.some((method) => method.name === name);

/** What the methods of the run were given, but for those that are several together. */
function asked(): Record<string, Values> {
  const single = run.tracks.filter(({ method }) => known(method.name));
  return Object.fromEntries(single.map(({ method, asked }) => [method.name, asked]));
}

function unknown(): string[] {
  return run.tracks.filter(({ method }) => !known(method.name)).map(({ method }) => method.title);
}

export const share = new Share();
