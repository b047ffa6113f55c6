import type { MethodInfo, ParamValue } from 'attnscope';
import type { Mode } from '../view/cells.js';
import { defaults, type Values, withBudget } from './params.js';
import { PRESETS } from './presets.js';

export const MAX_TOKENS = 2048;
export const BUDGET = { min: 16, max: 2048 } as const;

/** What is kept between visits. */
interface Saved {
  preset: string;
  text: string;
  chat: boolean;
  maxTokens: number;
  methods: string[];
  params: Record<string, Values>;
  budget: number;
  sameTokens: boolean;
  mode: Mode;
  theme: 'system' | 'light' | 'dark';
  url: string;
}

const KEY = 'attnscope.settings.1';

const FRESH: Saved = {
  preset: PRESETS[0].id,
  text: PRESETS[0].text,
  chat: PRESETS[0].chat,
  maxTokens: PRESETS[0].maxTokens,
  methods: [],
  params: {},
  budget: 64,
  sameTokens: true,
  mode: 'reads',
  theme: 'system',
  url: 'models/SmolLM2-135M-Instruct.Q4_1.gguf',
};

/** Everything the visitor can set. Survives a reload; what cannot be read back is replaced by the default. */
class Settings {
  all = $state(restore());

  /** False when the browser keeps nothing for this page, as in private windows of some. */
  saved = $state(true);

  /** What the engine refused, by `method.parameter`, until the value is changed. */
  refusals = $state<Record<string, string>>({});

  save(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.all));
    } catch {
      this.saved = false;
    }
  }

  usePreset(id: string): void {
    const preset = PRESETS.find((p) => p.id === id);
    this.all.preset = preset ? id : 'own';
    if (preset) Object.assign(this.all, { text: preset.text, chat: preset.chat, maxTokens: preset.maxTokens });
  }

  /** The chosen methods, in the order of the registry; on a first visit the first and the last that has a budget. */
  chosen(registry: readonly MethodInfo[]): MethodInfo[] {
    return registry.filter((method) => this.all.methods.includes(method.name));
  }

  /** Brings names and values into line with the registry that the engine has. */
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
      const fresh = withBudget(method, defaults(method), this.all.budget);
      const kept = Object.entries(known ?? {}).filter(([name]) => name in fresh);
      this.all.params[method.name] = { ...fresh, ...Object.fromEntries(kept) };
    }
  }

  setParam(method: string, param: string, value: ParamValue): void {
    this.all.params[method] = { ...this.all.params[method], [param]: value };
    delete this.refusals[`${method}.${param}`];
  }

  resetParams(method: MethodInfo): void {
    this.all.params[method.name] = defaults(method);
    this.refusals = {};
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
      this.all.params[method.name] = withBudget(method, this.all.params[method.name] ?? defaults(method), budget);
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
