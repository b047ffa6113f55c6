import { cellProperties } from 'attnscope/view';
import { t } from '../words/words.svelte.js';
import { settings } from './settings.svelte.js';

/** The theme that is on: the visitor's choice, or what the system says. */
class Theme {
  #dark = matchMedia('(prefers-color-scheme: dark)');
  #system = $state(this.#dark.matches);
  /** Changes whenever colours must be read again. */
  name = $derived<'light' | 'dark'>(
    settings.all.theme === 'system' ? (this.#system ? 'dark' : 'light') : settings.all.theme,
  );

  constructor() {
    this.#dark.addEventListener('change', ({ matches }) => {
      this.#system = matches;
    });
  }

  /** The choice in words. */
  get title(): string {
    return { system: t('system'), light: t('light'), dark: t('dark') }[settings.all.theme];
  }

  cycle(): void {
    const order = ['system', 'light', 'dark'] as const;
    settings.all.theme = order[(order.indexOf(settings.all.theme) + 1) % order.length];
  }

  /** Puts the theme on the page; call it in an effect, before colours are read. */
  apply(): 'light' | 'dark' {
    const { dataset, style } = document.documentElement;
    dataset.theme = this.name;
    for (const [name, colour] of cellProperties(this.name)) style.setProperty(name, colour);
    return this.name;
  }
}

export const theme = new Theme();
