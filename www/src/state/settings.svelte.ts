import type { MethodInfo, ParamValue } from 'attnscope';
import type { Mode } from 'attnscope/view';
import { BUDGET, WHOLE } from './limits.js';
import type { Conditions } from './options.js';
import { defaults, same, type Values, withBudget } from './params.js';
import { budgetFor } from './pictures.js';
import { PRESETS, type Preset, TUNED_FOR } from './presets.js';
import type { Recipe } from './recipe.js';

/** What is kept between visits. */
export interface Saved extends Recipe, Conditions {
  text: string;
  methods: string[];
  params: Record<string, Values>;
  mode: Mode;
  theme: 'system' | 'light' | 'dark';
  url: string;
  /** Remarks that need not be shown again. */
  read: string[];
}

const KEY = 'attnscope.settings.1';

/** Share of the picture rows that stays at first: enough for the answer, and most are gone. */
const KEPT = 0.25;

const FRESH: Saved = {
  preset: PRESETS[0].id,
  text: PRESETS[0].text,
  chat: PRESETS[0].chat,
  maxTokens: PRESETS[0].maxTokens,
  methods: [],
  params: {},
  budget: BUDGET.fresh,
  sameTokens: true,
  temperature: 0,
  seed: 0,
  mode: 'reads',
  theme: 'system',
  url: 'models/SmolLM2-135M-Instruct.Q4_1.gguf',
  backend: 'cpu',
  memory: '',
  shadow: 0,
  guard: false,
  limits: {},
  hosts: 1,
  read: [],
};

/** Everything the visitor can set. Survives a reload; what cannot be read back is replaced by the default. */
class Settings {
  all = $state(restore());

  /** False when the browser keeps nothing for this page, as in private windows of some. */
  saved = $state(true);

  /** Name of the loaded model in its file; null before there is one. */
  model = $state<string | null>(null);

  /** What the engine refused, by `method.parameter`, until the value is changed. */
  refusals = $state<Record<string, string>>({});

  save(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.all));
    } catch {
      this.saved = false;
    }
  }

  /** What a preset with pictures took the place of. */
  #before: Pick<Saved, 'methods' | 'budget'> | null = null;

  get preset(): Preset | undefined {
    return PRESETS.find((p) => p.id === this.all.preset);
  }

  /** Takes a preset's prompt, and its values for the methods it has some for. */
  usePreset(registry: readonly MethodInfo[], id: string): void {
    const preset = PRESETS.find((p) => p.id === id);
    const was = this.preset;
    if (preset) for (const method of registry) this.#untune(method);
    this.all.preset = preset ? id : 'own';
    if (preset !== was && was?.pictures) this.#restore(registry, was);
    if (!preset) return;
    Object.assign(this.all, { text: preset.text, chat: preset.chat, maxTokens: preset.maxTokens });
    for (const method of registry) this.tune(method);
    if (preset === was || !preset.pictures) return;
    const { methods, budget } = this.all;
    this.#before = { methods, budget };
    const names = preset.methods?.filter((name) => registry.some((method) => method.name === name)) ?? [];
    if (names.length > 0) this.all.methods = names;
    this.setBudget(registry, budgetFor(preset.pictures, KEPT));
  }

  /** The budget from before, and the methods if they are still the preset's own. */
  #restore(registry: readonly MethodInfo[], was: Preset): void {
    const { methods, budget } = this.#before ?? { methods: [], budget: BUDGET.fresh };
    const theirs = new Set(was.methods);
    const own = this.all.methods.length === theirs.size && this.all.methods.every((name) => theirs.has(name));
    if (own && methods.length > 0) this.all.methods = methods;
    this.setBudget(registry, budget);
    this.#before = null;
  }

  /** The model that is loaded, by the name in its file. Values found for another one are taken back. */
  suit(registry: readonly MethodInfo[], model: string | null): void {
    if (model !== null && model !== TUNED_FOR.name) for (const method of registry) this.#untune(method);
    this.model = model;
  }

  /** The values of a method with those of the preset among them; null when it has none for this method and model. */
  tuned(method: MethodInfo): Values | null {
    const values = this.preset?.tuned?.[method.name];
    const suits = this.model === null || this.model === TUNED_FOR.name;
    return values && suits ? { ...this.fresh(method), ...values } : null;
  }

  isTuned(method: MethodInfo): boolean {
    const tuned = this.tuned(method);
    return tuned !== null && method.params.every(({ name }) => same(this.all.params[method.name]?.[name], tuned[name]));
  }

  tune(method: MethodInfo): void {
    const tuned = this.tuned(method);
    if (tuned) this.#replace(method, tuned);
  }

  /** Values that came with the preset go with it; those of the visitor stay. */
  #untune(method: MethodInfo): void {
    const [tuned, values] = [this.tuned(method), this.all.params[method.name]];
    if (!tuned || !values) return;
    const fresh = this.fresh(method);
    const back = ([name, value]: [string, ParamValue]) => [name, same(value, tuned[name]) ? fresh[name] : value];
    this.#replace(method, Object.fromEntries(Object.entries(values).map(back)));
  }

  /** The defaults of the registry, which are those of the paper, with the budget of the slider. */
  fresh(method: MethodInfo): Values {
    return withBudget(method, defaults(method), this.all.budget, this.preset?.fixed?.[method.name]);
  }

  /** What a run would be made with, but for the methods. */
  recipe(): Recipe {
    const { preset, text, chat, budget, maxTokens, sameTokens, temperature, seed } = this.all;
    const { memory, shadow, guard, limits, hosts } = $state.snapshot(this.all);
    return {
      ...{ preset, text, chat, budget, maxTokens, sameTokens, temperature, seed, memory, shadow, guard, limits },
      hosts,
    };
  }

  /** Takes what a run was made with: the methods in it, in the order of the registry, each with its values. */
  take(recipe: Recipe, params: Readonly<Record<string, Values>>): void {
    const { text, ...rest } = recipe;
    Object.assign(this.all, rest, text === null ? {} : { text });
    if (Object.keys(params).length > 0) this.all.methods = Object.keys(params);
    this.all.params = { ...this.all.params, ...params };
    this.refusals = {};
  }

  /** The chosen methods, in the order of the registry. */
  chosen(registry: readonly MethodInfo[]): MethodInfo[] {
    return registry.filter((method) => this.all.methods.includes(method.name));
  }

  /**
   * Brings names and values into line with the registry that the engine has. On a first visit it chooses the first method
   * and the last of each kind that has a budget and a paper.
   */
  adopt(registry: readonly MethodInfo[]): void {
    const names = new Set(registry.map((method) => method.name));
    this.all.methods = this.all.methods.filter((name) => names.has(name));
    if (this.all.methods.length === 0) {
      const limited = registry.filter((method) => method.params.some((param) => param.budget));
      const first = registry.slice(0, 1);
      // One of each kind: one that only chooses what to read, one that also drops.
      const roles = ['select', 'retain'] as const;
      const picks = roles.map((role) => limited.findLast((m) => m.roles.includes(role) && m.paper));
      this.all.methods = [...new Set([...first, ...picks].flatMap((method) => (method ? [method.name] : [])))];
    }
    for (const method of registry) {
      const known = this.all.params[method.name];
      const fresh = this.fresh(method);
      const kept = Object.entries(known ?? {}).filter(([name]) => name in fresh);
      this.all.params[method.name] = { ...fresh, ...Object.fromEntries(kept) };
    }
  }

  /** Takes a number that was typed, or what comes nearest to it; what is kept. */
  set(name: keyof typeof WHOLE, value: number): number {
    const { min, max, fresh } = WHOLE[name];
    const kept = Number.isNaN(value) ? fresh : Math.min(max, Math.max(min, Math.round(value)));
    if (name === 'memory') this.all.memory = `${kept}MB`;
    else this.all[name] = kept;
    return kept;
  }

  setParam(method: string, param: string, value: ParamValue): void {
    this.all.params[method] = { ...this.all.params[method], [param]: value };
    delete this.refusals[`${method}.${param}`];
  }

  resetParams(method: MethodInfo): void {
    this.#replace(method, this.fresh(method));
  }

  #replace(method: MethodInfo, values: Values): void {
    this.all.params[method.name] = values;
    for (const { name } of method.params) delete this.refusals[`${method.name}.${name}`];
  }

  toggle(name: string): void {
    const { methods } = this.all;
    this.all.methods = methods.includes(name) ? methods.filter((other) => other !== name) : [...methods, name];
  }

  /** Writes one budget to every method that has one. */
  setBudget(registry: readonly MethodInfo[], budget: number): void {
    this.all.budget = budget;
    this.refusals = {};
    for (const method of registry) {
      const values = this.all.params[method.name] ?? defaults(method);
      this.all.params[method.name] = withBudget(method, values, budget, this.preset?.fixed?.[method.name]);
    }
  }
}

function restore(): Saved {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    if (typeof found !== 'object' || found === null) return { ...FRESH };
    const entries = Object.entries(found).filter(([key, value]) => sameKind(FRESH[key as keyof Saved], value));
    return { ...FRESH, ...Object.fromEntries(entries) };
  } catch {
    return { ...FRESH };
  }
}

function sameKind(model: unknown, value: unknown): boolean {
  return typeof model === typeof value && Array.isArray(model) === Array.isArray(value) && value !== null;
}

export const settings = new Settings();
