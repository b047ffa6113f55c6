/**
 * The language of the page. A text stands in English where it is used and is its own key; the other languages are
 * dictionaries from that, fetched when they are chosen. What a dictionary lacks stays English.
 */
import { say, setWords } from 'attnscope/view';

export { say as t };
export type Dictionary = Readonly<Record<string, string>>;

const KEY = 'attnscope.language';
const DICTIONARIES = {
  en: async (): Promise<Dictionary> => ({}),
  ko: async (): Promise<Dictionary> => (await import('./ko.js')).default,
};
export type Language = keyof typeof DICTIONARIES;
/** What each calls itself. */
export const LANGUAGES: readonly (readonly [Language, string])[] = [
  ['en', 'English'],
  ['ko', '한국어'],
];

class Words {
  language = $state<Language>('en');
  dictionary = $state.raw<Dictionary>({});

  /** Speaks the language of the address, of the last visit, or of the browser. One that cannot be fetched is not spoken. */
  async start(): Promise<void> {
    await this.#speak(wanted(location.search, kept(), navigator.languages)).catch(() => undefined);
  }

  /** Speaks a language from now on, in the next visit too. */
  async choose(language: Language): Promise<void> {
    await this.#speak(language);
    try {
      localStorage.setItem(KEY, language);
    } catch {
      // The settings say already that nothing is kept.
    }
    // The address would win in the next visit.
    const url = new URL(location.href);
    if (!url.searchParams.has('lang')) return;
    url.searchParams.set('lang', language);
    history.replaceState(null, '', url);
  }

  async #speak(language: Language): Promise<void> {
    this.dictionary = await DICTIONARIES[language]();
    this.language = language;
    document.documentElement.lang = language;
  }
}

/** The first language that is named and known: by the address, by the last visit, by the browser; else English. */
export function wanted(query: string, kept: string | null, browser: readonly string[]): Language {
  const named = [new URLSearchParams(query).get('lang'), kept, ...browser.map((tag) => tag.split('-')[0])];
  return LANGUAGES.find(([language]) => language === named.find(isLanguage))?.[0] ?? 'en';
}

function isLanguage(name: string | null): boolean {
  return LANGUAGES.some(([language]) => language === name);
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const words = new Words();

// Whatever says something in an effect or a template says it again when the dictionary changes.
setWords((text) => words.dictionary[text] ?? text);

/** A text that the engine says of a parameter, whose numbers are its own. */
export function described(text: string): string {
  const values: Record<string, string> = {};
  const key = text.replace(/-?\d+(\.\d+)?/g, (number) => {
    const name = `n${Object.keys(values).length + 1}`;
    values[name] = number;
    return `{${name}}`;
  });
  return say(key, values);
}
