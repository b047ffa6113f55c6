/** Every text that page and view ask their words for: what stands in the sources, and what constants hold. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SECTIONS } from '../src/article/methods.js';
import { KEYS } from '../src/state/keys.svelte.js';
import { MONITORS } from '../src/state/monitors.js';
import { PRESETS } from '../src/state/presets.js';
import { KNOWN, OTHER } from '../src/state/problems.js';

const SOURCES = ['../src', '../../pkg/src/view'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
const TEXT = String.raw`'((?:[^'\\]|\\.)*)'`;
const SAID = new RegExp(String.raw`\b(?:t|say)\(\s*${TEXT}`, 'g');
const COUNTED = new RegExp(String.raw`\bplural\([^']*?,\s*${TEXT}(?:,\s*${TEXT})?,?\s*\)`, 'g');

export function sources(): string[] {
  return SOURCES.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|svelte)$/.test(name))
      .map((name) => readFileSync(`${folder}/${name}`, 'utf8')),
  );
}

export function keys(): Set<string> {
  const said = sources().flatMap((source) => [
    ...Array.from(source.matchAll(SAID), ([, text]) => text),
    ...Array.from(source.matchAll(COUNTED), ([, one, many]) => [`{n} ${one}`, `{n} ${many ?? `${one}s`}`]).flat(),
  ]);
  const sections = Object.values(SECTIONS).flatMap(({ keeps, reads, changes, limits, proviso }) => {
    return [keeps, reads, changes, limits, proviso];
  });
  const monitors = MONITORS.flatMap(({ title, unit, help, safe }) => [title, unit, help, safe]);
  const presets = PRESETS.flatMap(({ title, hint }) => [title, hint]);
  const problems = [...Object.values(KNOWN).flat(), OTHER];
  const constants = [sections, monitors, presets, problems, KEYS.flat()].flat();
  return new Set([...said, ...constants.filter((text) => typeof text === 'string')]);
}
