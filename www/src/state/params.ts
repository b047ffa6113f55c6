import type { MethodInfo, ParamInfo, ParamValue, SessionOptions } from 'attnscope';
import { described, t } from '../words/words.svelte.js';

export type Values = Record<string, ParamValue>;

type Described = Pick<MethodInfo, 'params'>;

export function defaults(method: Described): Values {
  return Object.fromEntries(method.params.map((param) => [param.name, param.default]));
}

/** What a session is given: values that are the registry's anyway are left out, for the model may have its own. */
export function given(method: Described, values: Values): Values {
  const usual = defaults(method);
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => !same(value, usual[name])));
}

/** Every value that a session of a method runs with; of several methods together, as `role.name`. */
export function ranWith(method: Described, { method: spec }: Pick<SessionOptions, 'method'>): Values {
  const usual = defaults(method);
  if (typeof spec === 'string') return usual;
  if ('name' in spec) return { ...usual, ...spec.params };
  const roles = Object.entries(spec).flatMap(([role, part]) => {
    const params = Object.entries((typeof part === 'object' && part?.params) || {});
    return params.map(([name, value]) => [`${role}.${name}`, value]);
  });
  return { ...usual, ...Object.fromEntries(roles) };
}

/** Why a value will not do, in the words of the registry, or null. What only the model knows, the engine checks. */
export function check(param: ParamInfo, value: ParamValue | undefined): string | null {
  return fits(param, value) ? null : t('Allowed: {allowed}.', { allowed: described(param.allowed) });
}

function fits(param: ParamInfo, value: ParamValue | undefined): boolean {
  switch (param.kind) {
    case 'int':
      return Number.isInteger(value) && inRange(param, value as number);
    case 'float':
      return typeof value === 'number' && Number.isFinite(value) && inRange(param, value);
    case 'choice':
      return param.choices?.includes(String(value)) ?? false;
    case 'list':
      return Array.isArray(value) && value.every((n, i) => Number.isInteger(n) && (i === 0 || value[i - 1] < n));
    default:
      return true;
  }
}

function inRange({ min, max }: ParamInfo, value: number): boolean {
  return value >= (min ?? Number.NEGATIVE_INFINITY) && value <= (max ?? Number.POSITIVE_INFINITY);
}

/** The parameter that a refusal of the engine names: its message begins with `method.parameter = `. */
export function refused(message: string): string | null {
  return /^(\w+\.\w+) = /.exec(message)?.[1] ?? null;
}

/** What was typed in a text field, as a value; `check` says whether it will do. */
export function parse(param: ParamInfo, text: string): ParamValue {
  if (param.kind === 'list') {
    const parts = text.split(/[\s,;]+/).filter(Boolean);
    return parts.map(Number);
  }
  return text.trim() === '' ? Number.NaN : Number(text);
}

export function show(value: ParamValue | undefined): string {
  if (Array.isArray(value)) return value.map((n) => (Number.isNaN(n) ? '?' : n)).join(', ');
  return typeof value === 'number' && Number.isNaN(value) ? '' : String(value ?? '');
}

export function same(a: ParamValue | undefined, b: ParamValue | undefined): boolean {
  return Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((n, i) => n === b[i]) : a === b;
}

/** The values that are not `others`, in words: `share all heads, top_k 64`. */
export function difference(method: Described, values: Values, others: Values): string {
  return method.params
    .filter(({ name }) => !same(values[name], others[name]))
    .map(({ name }) => `${name} ${show(values[name]).replaceAll('_', ' ') || t('none')}`)
    .join(', ');
}

/** All values, in the same words, where there is no registry to compare with. */
export function listing(values: Values): string {
  const entries = Object.entries(values);
  return entries.map(([name, value]) => `${name} ${show(value).replaceAll('_', ' ') || t('none')}`).join(', ');
}

/** The budget parameters of the variant that the values choose. */
function budgets(method: MethodInfo, values: Values): ParamInfo[] {
  const usual = method.params.find(({ name }) => name === 'variant')?.default;
  const inForce = ({ variant }: ParamInfo) => variant === undefined || variant === (values.variant ?? usual);
  return method.params.filter((param) => param.budget && param.kind === 'int' && inForce(param));
}

/** Tokens of budget that the values add up to, or null when the method has no budget. */
export function budgetOf(method: MethodInfo, values: Values): number | null {
  const parts = budgets(method, values);
  if (parts.length === 0) return null;
  return parts.reduce((sum, { name }) => sum + (Number(values[name]) || 0), 0);
}

/**
 * Values whose budget parameters add up to `budget`, in the proportions of their defaults: how a method divides its
 * budget is part of the method. Ranges come first, so the sum may differ. `fixed` are budget parameters that have theirs.
 */
export function withBudget(method: MethodInfo, values: Values, budget: number, fixed: Values = {}): Values {
  const parts = budgets(method, values).filter(({ name }) => !(name in fixed));
  const whole = parts.reduce((sum, param) => sum + Number(param.default), 0);
  const out = { ...values, ...fixed };
  const free = Object.values(fixed).reduce<number>((rest, value) => rest - Number(value), budget);
  let left = free;
  parts.forEach((param, i) => {
    const share = i === parts.length - 1 ? left : Math.round((free * Number(param.default)) / (whole || 1));
    const value = Math.min(param.max ?? share, Math.max(param.min ?? 0, share));
    out[param.name] = value;
    left -= value;
  });
  return out;
}

/** Every complaint about the values of a method, by parameter. */
export function complaints(method: MethodInfo, values: Values): Record<string, string> {
  const found = method.params.flatMap((param) => {
    const why = check(param, values[param.name]);
    return why === null ? [] : [[param.name, why]];
  });
  return Object.fromEntries(found);
}
