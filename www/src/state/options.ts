import type { MethodInfo, SessionOptions } from 'attnscope';
import { given, type Values } from './params.js';

/** What the visitor set that concerns every session. */
export interface Conditions {
  backend: 'cpu' | 'gpu' | 'auto';
  /** Memory for keys and values that budgets are fitted to, as `64MB`; empty: budgets are as they are set. */
  memory: string;
  /** Every so many tokens, what is read sparsely is compared with full attention; 0: never. */
  shadow: number;
  guard: boolean;
  /** Limits of the guard that are not the usual ones. */
  limits: Record<string, number>;
  /** Above 0, tokens are drawn. */
  temperature: number;
  seed: number;
}

/** A method as a session takes it: by its name, or several by their roles. */
export type Spec = SessionOptions['method'];

/** The session of a method for a text of at most `context` tokens. */
export function sessionOptions(
  method: Pick<MethodInfo, 'name' | 'params'>,
  spec: Spec | null,
  params: Values,
  { backend, memory, shadow, guard, limits, temperature, seed }: Conditions,
  context: number,
): SessionOptions {
  const options: SessionOptions = { method: spec ?? method.name, backend };
  if (!spec) options.params = given(method, memory === '' ? params : withoutBudgets(method, params));
  // What fits depends on how long the text may become.
  if (memory !== '') Object.assign(options, { memory, context });
  if (temperature > 0) Object.assign(options, { temperature, seed });
  if (shadow > 0) options.shadow = shadow;
  if (guard) options.guard = Object.keys(limits).length > 0 ? limits : true;
  return options;
}

/** A budget that is given is not fitted. */
export function withoutBudgets({ params }: Pick<MethodInfo, 'params'>, values: Values): Values {
  const budgets = new Set(params.filter(({ budget, kind }) => budget && kind === 'int').map(({ name }) => name));
  return Object.fromEntries(Object.entries(values).filter(([name]) => !budgets.has(name)));
}
