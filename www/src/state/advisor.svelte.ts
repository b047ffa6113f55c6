import type { Advice, AdviceList, AdviseOptions, MethodInfo } from 'attnscope';
import { loader } from './loader.svelte.js';
import type { Spec } from './options.js';
import { type Problem, problem } from './problems.js';
import { settings } from './settings.svelte.js';

type Part = string | { name: string; params?: Record<string, unknown> };

/** Which methods and budgets fit into a memory, as the engine works it out. */
class Advisor {
  list = $state.raw<AdviceList | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** Several methods together, by their roles, as they were advised and taken; it runs beside those that are chosen. */
  composed = $state.raw<{ method: MethodInfo; spec: Spec } | null>(null);

  async ask(options: AdviseOptions): Promise<void> {
    const { model } = loader;
    this.problem = null;
    try {
      const list = (await model?.advise(options)) ?? null;
      if (model === loader.model) this.list = list;
    } catch (thrown) {
      this.list = null;
      if (model === loader.model) this.problem = problem(thrown);
    }
  }

  /** What was worked out for one model says nothing of another. */
  clear(): void {
    this.list = null;
    this.problem = null;
    this.composed = null;
  }

  /** Its methods, in words. */
  title({ method }: Advice): string {
    return partsOf(method)
      .map((part) => loader.methods.find(({ name }) => name === nameOf(part))?.title ?? nameOf(part))
      .join(' + ');
  }

  /** Puts a method with its parameters among those that are chosen, or several together beside them. */
  use(advice: Advice): void {
    const parts = partsOf(advice.method);
    settings.all.memory = '';
    if (parts.length > 1) {
      this.composed = { method: this.#describe(advice), spec: advice.method };
      return;
    }
    const method = loader.methods.find(({ name }) => name === nameOf(parts[0]));
    if (!method) return;
    if (!settings.all.methods.includes(method.name)) settings.toggle(method.name);
    const params = typeof parts[0] === 'string' ? {} : (parts[0].params ?? {});
    for (const [name, value] of Object.entries(params)) settings.setParam(method.name, name, value as number);
  }

  #describe(advice: Advice): MethodInfo {
    const known = (part: Part) => loader.methods.find(({ name }) => name === nameOf(part));
    const methods = partsOf(advice.method).flatMap((part) => known(part) ?? []);
    const params = Object.entries(advice.method).flatMap(([role, part]: [string, Part]) =>
      (known(part)?.params ?? []).map((param) => ({ ...param, name: `${role}.${param.name}` })),
    );
    return {
      name: methods.map(({ name }) => name).join('+'),
      title: this.title(advice),
      summary: methods.map(({ summary }) => summary).join(' '),
      paper: null,
      roles: [...new Set(methods.flatMap(({ roles }) => roles))],
      whole: true,
      spreads: false,
      params,
    };
  }
}

function partsOf(method: Advice['method']): Part[] {
  if (typeof method === 'string' || 'name' in method) return [method as Part];
  const { prefill, select, retain, schedule } = method;
  return [prefill, select, retain, schedule].filter((part) => part !== undefined);
}

function nameOf(part: Part): string {
  return typeof part === 'string' ? part : part.name;
}

export const advisor = new Advisor();
