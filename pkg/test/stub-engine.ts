/** A stand-in for the generated module in unit tests: the same border, arithmetic instead of a model. */

import { ALL_HEADS, Kind } from '../src/trace.gen.js';
import type * as Wasm from '../src/wasm/attnscope.js';
import { record } from './blocks.js';

export const PREFILL_SLICES = 40;
export const EOS = 7;

/** What tests look at. */
export const seen = { pushed: 0, freed: 0, advances: 0, started: [] as number[][] };

const fail = (code: string, message: string): never => {
  throw { code, message };
};

export default async function init(): Promise<Pick<Wasm.InitOutput, 'memory'>> {
  return { memory: null as unknown as WebAssembly.Memory };
}

export function methods(): Wasm.MethodInfo[] {
  return [{ name: 'full', title: 'Full', summary: 'Reads everything.', paper: '2306.14048', roles: [], whole: false, params: [] }];
}

export const memoryBytes = (): number => 65536;

export class Loader {
  #bytes = 0;
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    seen.pushed += chunk.length;
  }
  finish(): Model {
    if (this.#bytes < 8) fail('truncated', 'The file is too short.');
    return new Model();
  }
  free(): void {
    seen.freed++;
  }
}

export class Model {
  info(): Wasm.ModelInfo {
    return {
      name: 'stub',
      architecture: 'llama',
      layers: 2,
      queryHeads: 4,
      kvHeads: 2,
      headDim: 4,
      width: 16,
      vocabulary: 256,
      context: 128,
      weightBytes: 1,
      kvBytesPerToken: 64,
      chatTemplate: true,
      eos: [EOS],
    };
  }
  encode(text: string, parseSpecial: boolean, begin: boolean): Uint32Array {
    const bytes = [...new TextEncoder().encode(text)];
    return Uint32Array.from([...(begin && text ? [2] : []), ...(parseSpecial ? [1] : []), ...bytes]);
  }
  decode(ids: Uint32Array): string {
    return String.fromCharCode(...ids);
  }
  chat(messages: Wasm.ChatMessage[]): string {
    return messages.map(({ role, content }) => `<${role}>${content}`).join('');
  }
  advise(options: Wasm.AdviseOptions): Wasm.AdviceList {
    if (options.scenario === 'multimodal') fail('param', 'There are no pictures.');
    return { memory: Number(options.memory ?? 0), notes: [], advice: [] };
  }
  session(options: Wasm.SessionOptions): Session {
    if (options.method !== 'full') fail('unknown_method', `There is no method ${options.method}.`);
    return new Session();
  }
  free(): void {
    seen.freed++;
  }
}

/** Proposes the last token plus one, and ends the text at EOS. */
export class Session {
  #ids: number[] = [];
  #prompt = 0;
  #slices = 0;
  #max = 0;
  #step: Wasm.StepInfo | null = null;
  #over = false;
  #trace: Uint8Array[] = [];

  start(ids: Uint32Array, maxTokens: number): void {
    if (ids.length === 0) fail('empty_prompt', 'The prompt is empty.');
    seen.started.push([...ids]);
    this.#ids = [...ids];
    this.#prompt = ids.length;
    this.#max = maxTokens;
    this.#slices = 0;
    this.#over = false;
    this.#step = null;
    this.#trace = [record(Kind.pass, { aux: 0, a: 0, b: ids.length })];
  }
  advance(): number {
    seen.advances++;
    if (this.#over) return 2;
    // Prefill takes real time, so that a test can stop it.
    const until = performance.now() + 1;
    while (this.#slices < PREFILL_SLICES && performance.now() < until);
    if (++this.#slices < PREFILL_SLICES) return 0;
    if (this.#step) {
      this.#ids.push(this.#step.id);
      if (this.#step.end === 'length') {
        this.#over = true;
        return 2;
      }
    }
    const index = this.#ids.length - this.#prompt;
    const id = (this.#ids[this.#ids.length - 1] + 1) % 256;
    const end = index + 1 >= this.#max ? 'length' : id === EOS ? 'eos' : null;
    this.#step = {
      index,
      id,
      text: String.fromCharCode(id),
      position: this.#ids.length,
      read: 1,
      kept: 1,
      kvBytes: 64,
      readBytes: 64,
      end,
    };
    this.#trace.push(record(Kind.append, { head: ALL_HEADS, a: 0, b: this.#ids.length }));
    return 1;
  }
  progress(): { done: number; total: number } {
    return { done: this.#slices, total: PREFILL_SLICES };
  }
  step(): Wasm.StepInfo {
    return this.#step ?? fail('state', 'There is no step.');
  }
  choose(id: number): void {
    if (this.#step) this.#step = { ...this.#step, id };
  }
  takeTrace(): Uint8Array {
    const block = Uint8Array.from(this.#trace.flatMap((part) => [...part]));
    this.#trace = [];
    return block;
  }
  stats(): Wasm.SessionStats {
    return { kvBytes: 64 * this.#ids.length, allocatedBytes: 4096 };
  }
  free(): void {
    seen.freed++;
  }
}
