/** What a run was made with and how it is looked at, as trace files and links carry it. */
import type { MethodInfo } from 'attnscope';
import { MODES, type Mode } from 'attnscope/view';
import { t } from '../words/words.svelte.js';
import type { Spot } from './hover.svelte.js';
import { BUDGET, MAX_TOKENS, MOST_HOSTS, type Range, TEMPERATURE, WHOLE } from './limits.js';
import { LIMITED } from './monitors.js';
import type { Conditions } from './options.js';
import { check, defaults, parse, show, type Values, withBudget } from './params.js';
import { PRESETS } from './presets.js';

/** Of the page's settings in files and links; another one is not read. */
export const SETTINGS_VERSION = 1;
/** More than fits any context, and too little to hurt. */
const MAX_TEXT = 1 << 20;

export interface Recipe extends Omit<Conditions, 'backend'> {
  preset: string;
  /** Null where a link left it out. */
  text: string | null;
  chat: boolean;
  budget: number;
  maxTokens: number;
  sameTokens: boolean;
  hosts: number;
}

export interface Look {
  mode: Mode;
  /** Null follows the newest. */
  step: number | null;
  /** The cell that is held. */
  cell: Spot | null;
}

/** What was read, and in words what had to be changed to be usable. */
export interface Read<T> {
  value: T;
  notes: string[];
}

type Json = Readonly<Record<string, unknown>>;

/** An object's own fields; nothing for what is none. */
export function fields(json: unknown): Json {
  return typeof json === 'object' && json !== null ? (json as Json) : {};
}

export function readRecipe(json: unknown): Read<Recipe> {
  const from = fields(json);
  const notes: string[] = [];
  const preset = PRESETS.find(({ id }) => id === from.preset);
  if (!preset && from.preset !== 'own' && from.preset !== undefined) notes.push(t('There is no such preset any more.'));
  const text = typeof from.text === 'string' ? from.text.slice(0, MAX_TEXT) : null;
  const own = preset && (text === null || text === preset.text) ? preset : undefined;
  const value = {
    preset: own?.id ?? 'own',
    text: own?.text ?? text,
    chat: flag(from.chat, own?.chat ?? false),
    budget: whole(from.budget, t('budget'), BUDGET, notes),
    maxTokens: whole(
      from.maxTokens,
      t('number of tokens'),
      { min: 1, max: MAX_TOKENS, fresh: own?.maxTokens ?? 64 },
      notes,
    ),
    sameTokens: flag(from.sameTokens, true),
    temperature: number(from.temperature, t('temperature'), TEMPERATURE, notes),
    seed: whole(from.seed, t('seed'), WHOLE.seed, notes),
    memory: readMemory(from.memory, notes),
    shadow: whole(from.shadow, t('distance of comparisons'), WHOLE.shadow, notes),
    guard: flag(from.guard, false),
    limits: readLimits(from.limits),
    hosts: whole(from.hosts, t('number of hosts'), { min: 1, max: MOST_HOSTS, fresh: 1 }, notes),
  };
  return { value, notes };
}

function readMemory(json: unknown, notes: string[]): string {
  if (json === undefined || json === '') return '';
  const size = typeof json === 'string' ? /^(\d{1,9})MB$/.exec(json)?.[1] : undefined;
  return `${whole(size === undefined ? json : Number(size), t('memory'), WHOLE.memory, notes)}MB`;
}

function readLimits(json: unknown): Record<string, number> {
  const from = fields(json);
  const known = LIMITED.map(({ name }) => [name, from[name]] as const);
  const usable = known.filter(([, value]) => typeof value === 'number' && Number.isFinite(value) && value >= 0);
  return Object.fromEntries(usable) as Record<string, number>;
}

/** `mode`, `step` and `cell`; whether there are such a step and such a cell, only a run can tell. */
export function readLook(json: unknown): Look {
  const { mode, step, cell } = fields(json);
  const { track, layer, head, position } = fields(cell);
  const at = [track, layer, head, position].map(index);
  return {
    mode: MODES.find((known) => known === mode) ?? 'reads',
    step: index(step),
    cell: at.some((n) => n === null) ? null : ({ track: at[0], layer: at[1], head: at[2], position: at[3] } as Spot),
  };
}

/** A whole number that can be a place in an array, or null. */
function index(json: unknown): number | null {
  return Number.isInteger(json) && (json as number) >= 0 && (json as number) < 1 << 24 ? (json as number) : null;
}

/** The values of a method: what is given and will do, the rest as the slider's budget makes them. */
export function readValues(method: MethodInfo, budget: number, json: unknown): Read<Values> {
  const value = withBudget(method, defaults(method), budget);
  const notes: string[] = [];
  for (const [name, given] of Object.entries(fields(json))) {
    const param = method.params.find((known) => known.name === name);
    if (!param) {
      notes.push(t('{method} has no parameter of one of the names given.', { method: method.title }));
      continue;
    }
    const typed = typeof given === 'string' ? fromText(param, given) : given;
    const clamped = clamp(param, typed);
    const fits = check(param, clamped as Values[string]) === null && kindFits(param, clamped);
    if (fits) value[name] = clamped as Values[string];
    if (!fits || clamped !== typed)
      notes.push(
        t('{method}: {name} was out of range; {kept} is used.', {
          method: method.title,
          name,
          kept: show(value[name]),
        }),
      );
  }
  return { value, notes };
}

/** A parameter as a link carries it: `show` the other way round. */
function fromText(param: MethodInfo['params'][number], text: string): unknown {
  if (param.kind === 'choice') return text;
  if (param.kind === 'bool') return text === 'true' ? true : text === 'false' ? false : null;
  return parse(param, text);
}

function clamp({ kind, min, max }: MethodInfo['params'][number], value: unknown): unknown {
  if ((kind !== 'int' && kind !== 'float') || typeof value !== 'number' || Number.isNaN(value)) return value;
  return Math.min(max ?? value, Math.max(min ?? value, value));
}

function kindFits({ kind }: MethodInfo['params'][number], value: unknown): boolean {
  const wanted = kind === 'bool' ? 'boolean' : kind === 'choice' ? 'string' : null;
  return wanted === null || typeof value === wanted;
}

function flag(json: unknown, fallback: boolean): boolean {
  return typeof json === 'boolean' ? json : fallback;
}

function number(json: unknown, name: string, { min, max, fresh }: Range, notes: string[]): number {
  if (json === undefined) return fresh;
  if (typeof json !== 'number' || Number.isNaN(json)) {
    notes.push(t('The {name} is no number; {kept} is used.', { name, kept: fresh }));
    return fresh;
  }
  const kept = Math.min(max, Math.max(min, json));
  if (kept !== json) notes.push(t('The {name} was out of range; {kept} is used.', { name, kept }));
  return kept;
}

function whole(json: unknown, name: string, range: Range, notes: string[]): number {
  return Math.round(number(json, name, range, notes));
}
