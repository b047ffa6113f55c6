import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import registry from '../src/words/ko/registry.json';
import korean from '../src/words/ko.js';
import { fill } from '../src/words/marked.js';
import { described, wanted, words } from '../src/words/words.svelte.js';
import { keys } from './keys.js';

const FOLDER = fileURLToPath(new URL('../src/words/ko', import.meta.url));
const placesOf = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
/** Signs and names of keys are the same everywhere. */
const isSaid = (key: string) => /[a-z]{2}/.test(key.replace(/\{\w+\}/g, ''));
const files = () => readdirSync(FOLDER).map((name) => readFileSync(`${FOLDER}/${name}`, 'utf8'));

/** All texts of the engine and the package, as they stand in the sources: a line that goes on is one line. */
function engine(): string {
  const folders = ['../../src', '../../pkg/src'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const all = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(rs|ts)$/.test(name))
      .map((name) => readFileSync(`${folder}/${name}`, 'utf8').replace(/\\\n\s*/g, '')),
  );
  return all.join('\n');
}

describe('Korean', () => {
  it('has every text that the page and the view say', () => {
    expect([...keys()].filter((key) => isSaid(key) && !(key in korean))).toEqual([]);
  });

  it('has nothing that nobody says', () => {
    const said = keys();
    const known = Object.keys(korean).filter((key) => !(key in registry));
    expect(known.filter((key) => !said.has(key))).toEqual([]);
    const source = engine();
    const isThere = (key: string) => {
      const literal = key.replace(/[.*+?^$()[\]\\|]/g, '\\$&').replace(/\{n\d\}/g, '(?:\\{[^}]*\\}|-?\\d+)');
      return new RegExp(literal).test(source);
    };
    expect(Object.keys(registry).filter((key) => !said.has(key) && !isThere(key))).toEqual([]);
  });

  it('has each text once, with the same places and the same marks', () => {
    const all = files().flatMap((file) => Object.keys(JSON.parse(file)));
    expect(all.length).toBe(new Set(all).size);
    for (const [english, text] of Object.entries(korean)) {
      expect(placesOf(text), english).toEqual(placesOf(english));
      const marks = (of: string) => fill(of).flatMap(({ mark }) => (mark === '' ? [] : [mark]));
      expect(marks(text).sort(), english).toEqual(marks(english).sort());
    }
  });

  it('needs no particle that depends on a value', () => {
    // 은/는, 이/가, 을/를, 와/과 after a place would be right for half of the words only.
    const wrong = Object.values(korean).filter((text) =>
      /\}(은|는|이|가|을|를|와|과|으로|로)(?=[\s,.:;)]|$)/.test(text),
    );
    expect(wrong).toEqual([]);
  });
});

describe('words', () => {
  afterEach(() => {
    words.dictionary = {};
  });

  it('are those of the address, of the last visit, of the browser, in this order', () => {
    const choices: [string, string | null, string[], string][] = [
      ['', null, ['de-CH', 'ko-KR', 'en'], 'ko'],
      ['', null, ['en-GB', 'ko'], 'en'],
      ['', null, ['de'], 'en'],
      ['', 'en', ['ko'], 'en'],
      ['?lang=ko', 'en', ['en'], 'ko'],
      ['?lang=toString', 'none', ['ko'], 'ko'],
    ];
    for (const [query, kept, browser, language] of choices) expect(wanted(query, kept, browser)).toBe(language);
  });

  it('of a parameter keep the numbers of the engine', () => {
    expect(described('a number from -1 to 0.5')).toBe('a number from -1 to 0.5');
    words.dictionary = korean;
    expect(described('a number from -1 to 0.5')).toBe('-1–0.5 범위의 수');
  });

  it('are marked before values are put in, so that a value marks nothing', () => {
    expect(fill('**{file}** is `{here}`, *so*.', { file: '*a*' })).toEqual([
      { mark: '**', text: '*a*' },
      { mark: '', text: ' is ' },
      { mark: '`', text: '{here}' },
      { mark: '', text: ', ' },
      { mark: '*', text: 'so' },
      { mark: '', text: '.' },
    ]);
  });
});
