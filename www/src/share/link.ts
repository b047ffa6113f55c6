/**
 * A link that holds what a run is made with and how it is looked at: `#v=1&p=needle-600&m=full,h2o&h2o.heavy=64…`. Values
 * stand in it as they are shown, a parameter only where it is not what the budget makes of the defaults. Whoever wrote a
 * link, what is read from it has the right types and is in range; what had to be changed for that is said in words.
 */
import type { MethodInfo } from 'attnscope';
import { LIMITED } from '../state/monitors.js';
import { defaults, same, show, type Values, withBudget } from '../state/params.js';
import { type Look, type Read, type Recipe, readLook, readRecipe, readValues } from '../state/recipe.js';
import { t } from '../words/words.svelte.js';

const VERSION = '1';
/** Characters of text that a link takes: what mail programs and chats still keep whole. */
export const MAX_LINK_TEXT = 2000;
/** Longer ones nobody made here. */
const MAX_HASH = 1 << 16;

export interface Shared {
  recipe: Recipe;
  /** Values by method, in order. */
  params: Readonly<Record<string, Values>>;
  look: Look;
}

/** The part of the address after `#`. A text that is too long is left out. */
export function writeLink({ recipe, params, look }: Shared, registry: readonly MethodInfo[]): string {
  const { preset, text, chat, budget, maxTokens, sameTokens, temperature, seed } = recipe;
  const out = new URLSearchParams({ v: VERSION, p: preset });
  if (preset === 'own' && fitsLink(text)) out.set('t', text ?? '');
  out.set('m', Object.keys(params).join(','));
  out.set('b', String(budget));
  out.set('n', String(maxTokens));
  out.set('chat', bit(chat));
  out.set('same', bit(sameTokens));
  if (temperature !== 0) out.set('temperature', String(temperature));
  if (seed !== 0) out.set('seed', String(seed));
  const { memory, shadow, guard, limits, hosts } = recipe;
  if (memory !== '') out.set('memory', memory);
  if (shadow !== 0) out.set('shadow', String(shadow));
  if (guard) out.set('guard', bit(guard));
  for (const [name, limit] of Object.entries(limits)) out.set(`limit.${name}`, String(limit));
  if (hosts !== 1) out.set('hosts', String(hosts));
  for (const [name, values] of Object.entries(params)) {
    const method = registry.find((known) => known.name === name);
    const usual: Values = method ? withBudget(method, defaults(method), budget) : {};
    for (const [param, value] of Object.entries(values)) {
      if (!same(value, usual[param])) out.set(`${name}.${param}`, show(value));
    }
  }
  out.set('mode', look.mode);
  if (look.step !== null) out.set('step', String(look.step));
  const { cell } = look;
  const held = cell && Object.keys(params)[cell.track];
  // By its name, because a recorded run may have its methods in another order.
  if (cell && held) out.set('cell', [held, cell.layer, cell.head, cell.position].join('.'));
  // A comma and a colon need no escape behind `#`, and a link is read by people too.
  return out.toString().replaceAll('%2C', ',');
}

/** Whether a text is short enough to be in a link. */
export function fitsLink(text: string | null): boolean {
  return text !== null && text.length <= MAX_LINK_TEXT;
}

/** What a link says, null where it is none of ours or of another version. */
export function readLink(hash: string, registry: readonly MethodInfo[]): Read<Shared | null> {
  const from = new URLSearchParams(hash.replace(/^#/, '').slice(0, MAX_HASH));
  if (!from.has('v')) return { value: null, notes: [] };
  if (from.get('v') !== VERSION) {
    return { value: null, notes: [t('It was made by another version of this page, so none of it is used.')] };
  }
  const { value: recipe, notes } = readRecipe({
    preset: from.get('p') ?? undefined,
    text: from.get('t'),
    chat: flag(from.get('chat')),
    budget: number(from.get('b')),
    maxTokens: number(from.get('n')),
    sameTokens: flag(from.get('same')),
    temperature: number(from.get('temperature')),
    seed: number(from.get('seed')),
    memory: from.get('memory') ?? undefined,
    shadow: number(from.get('shadow')),
    guard: flag(from.get('guard')),
    limits: Object.fromEntries(LIMITED.map(({ name }) => [name, number(from.get(`limit.${name}`))])),
    hosts: number(from.get('hosts')),
  });
  if (recipe.text === null)
    notes.push(t('The text of the prompt was too long to be in it; the one that is here stays.'));
  const names = new Set((from.get('m') ?? '').split(',').filter(Boolean));
  const methods = registry.filter(({ name }) => names.has(name));
  if (methods.length < names.size) notes.push(t('It names methods that are not here; they are left out.'));
  const params = methods.map((method) => {
    const own = [...from].filter(([key]) => key.startsWith(`${method.name}.`));
    const given = Object.fromEntries(own.map(([key, text]) => [key.slice(method.name.length + 1), text]));
    const read = readValues(method, recipe.budget, given);
    notes.push(...read.notes);
    return [method.name, read.value] as const;
  });
  const [held, layer, head, position] = (from.get('cell') ?? '').split('.');
  const track = methods.findIndex(({ name }) => name === held);
  const cell = { track, layer: number(layer), head: number(head), position: number(position) };
  const look = readLook({ mode: from.get('mode'), step: number(from.get('step')), cell });
  return { value: { recipe, params: Object.fromEntries(params), look }, notes };
}

const bit = (on: boolean) => (on ? '1' : '0');

function flag(text: string | null): boolean | undefined {
  return text === '1' ? true : text === '0' ? false : undefined;
}

/** A decimal number; another text as it is, for the reader to complain of. */
function number(text: string | null | undefined): number | string | undefined {
  if (text === null || text === undefined) return undefined;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
