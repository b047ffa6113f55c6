/** A stand-in for the generated module in unit tests: the same border, arithmetic instead of a model. */

import { ALL_HEADS, Kind } from '../src/trace.gen.js';
import type * as Wasm from '../src/wasm/attnscope.js';
import { record } from './blocks.js';

export const PREFILL_SLICES = 40;
export const EOS = 7;
/** Exchanges of a step on several hosts. */
export const LAYERS = 2;
/** Where a row of a picture stands. */
export const ROW = 0xffff_ffff;

/** What tests look at. */
export const seen = {
  pushed: 0,
  freed: 0,
  advances: 0,
  started: [] as number[][],
  rounds: [] as number[][],
  /** Where pictures begin, and their rows. */
  pictures: [] as [number[], number[]][],
  /** Bytes of each projector. */
  projectors: [] as number[],
  merged: [] as number[][],
};

const fail = (code: string, message: string): never => {
  throw { code, message };
};

export default async function init(): Promise<Pick<Wasm.InitOutput, 'memory'>> {
  return { memory: null as unknown as WebAssembly.Memory };
}

export function methods(): Wasm.MethodInfo[] {
  return [
    {
      name: 'full',
      title: 'Full',
      summary: 'Reads everything.',
      paper: '2306.14048',
      roles: [],
      whole: false,
      spreads: false,
      params: [],
    },
  ];
}

/** What `openGpu` finds: no adapter, or one. */
export const gpu: { info: Wasm.GpuInfo | null; lost: boolean } = { info: null, lost: false };

export async function openGpu(): Promise<Wasm.GpuInfo> {
  return gpu.info ?? fail('gpu', 'GPU: there is no adapter.');
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

/** A row a picture: its width, height and pixels, summed. */
export class Projector {
  constructor(bytes: Uint8Array) {
    if (bytes[0] !== 1) fail('picture', 'This is no projector.');
    seen.projectors.push(bytes.length);
  }
  rows(pixels: Uint8Array, width: number, height: number): Float32Array {
    if (!pixels.some((pixel) => pixel > 0)) fail('picture', 'There is nothing on it.');
    return Float32Array.of(pixels.reduce((sum, pixel) => sum + pixel, width + height));
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
  encode(text: string, parseSpecial: boolean, begin: boolean, rows?: Float32Array): Wasm.PromptTokens {
    const ids = [...(begin && text ? [2] : []), ...(parseSpecial ? [1] : [])];
    const pictures: number[] = [];
    for (const character of text) {
      if (character === '\u{fffc}') pictures.push(ids.length);
      ids.push(...(character === '\u{fffc}' ? [ROW] : new TextEncoder().encode(character)));
    }
    if (rows?.length && rows.length !== pictures.length) fail('picture', 'The pictures and their places differ.');
    return { ids, rounds: [0], pictures };
  }
  decode(ids: Uint32Array): string {
    return String.fromCharCode(...ids);
  }
  chat(messages: Wasm.ChatMessage[]): string {
    return messages.map(({ role, content }) => `<${role}>${content}`).join('');
  }
  encodeChat(messages: Wasm.ChatMessage[], rows: Float32Array): Wasm.PromptTokens {
    const all = this.encode(this.chat(messages), true, true, rows);
    const rounds = messages.flatMap(({ role }, at) =>
      role === 'user' ? [at && this.encode(this.chat(messages.slice(0, at)), true, true).ids.length] : [],
    );
    return { ...all, rounds };
  }
  encodeTurn(messages: Wasm.ChatMessage[], last: number): Wasm.PromptTokens {
    const ids = messages.map(({ content }) => content.length);
    return { ids: last === EOS ? ids : [EOS, ...ids], rounds: [0], pictures: [] };
  }
  host(options: Wasm.SessionOptions, number: number, hosts: number): Session {
    if (options.method !== 'star_attention') fail('unsupported', 'Only star_attention runs on several hosts.');
    return new HostSession(number, hosts);
  }
  advise(options: Wasm.AdviseOptions): Wasm.AdviceList {
    if (options.scenario === 'multimodal') fail('param', 'There are no pictures.');
    return { memory: Number(options.memory ?? 0), notes: [], advice: [] };
  }
  session(options: Wasm.SessionOptions): Session {
    if (options.method !== 'full') fail('unknown_method', `There is no method ${options.method}.`);
    const { params = {}, backend } = options;
    // As a model whose own value takes the place of the default.
    const method = { name: 'full', params: { layer: 17, ...params } };
    return new Session(backend === 'gpu', { ...options, method, params: null, backend: null });
  }
  restore(bytes: Uint8Array): Session {
    if (bytes[0] !== 1) fail('saved', 'These bytes are none.');
    return Session.of([...bytes.subarray(1)]);
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

  constructor(
    private onGpu = false,
    private readonly settled: object = { method: 'full', context: 9, seed: null },
  ) {}

  static of(ids: number[]): Session {
    const session = new Session();
    session.#ids = ids;
    return session;
  }
  settings(): Wasm.SessionOptions {
    return this.settled as Wasm.SessionOptions;
  }
  save(): Uint8Array {
    if (this.onGpu) fail('unsupported', 'Not on a GPU.');
    if (!this.#step) fail('state', 'There is no token.');
    return Uint8Array.of(1, ...this.#ids, this.#step!.id);
  }
  moveToCpu(): void {
    this.onGpu = false;
  }

  start(ids: Uint32Array, rounds: Uint32Array, pictures: Uint32Array, rows: Float32Array, maxTokens: number): void {
    seen.pictures.push([[...pictures], [...rows]]);
    if (ids.length === 0) fail('empty_prompt', 'The prompt is empty.');
    if (this.onGpu && gpu.lost) fail('gpu', 'GPU: the device is lost.');
    this.#take([], ids, rounds, maxTokens);
  }
  extend(ids: Uint32Array, rounds: Uint32Array, _pictures: Uint32Array, _rows: Float32Array, maxTokens: number): void {
    if (this.#ids.length === 0) fail('state', 'There is no text to go on with.');
    this.#take([...this.#ids, this.#step?.id ?? 0], ids, rounds, maxTokens);
  }
  encodeTurn(messages: Wasm.ChatMessage[]): Wasm.PromptTokens {
    return { ids: [3, ...messages.map(({ content }) => content.length)], rounds: [0], pictures: [] };
  }
  partial(): Float32Array {
    return fail('state', 'No exchange is due.');
  }
  merge(_parts: Float32Array[]): number {
    return fail('state', 'No exchange is due.');
  }
  #take(before: number[], ids: Uint32Array, rounds: Uint32Array, maxTokens: number): void {
    seen.started.push([...before, ...ids]);
    seen.rounds.push([...rounds]);
    this.#ids = [...before, ...ids];
    this.#prompt = this.#ids.length;
    this.#max = maxTokens;
    this.#slices = 0;
    this.#over = false;
    this.#step = null;
    this.#trace = [record(Kind.pass, { aux: 0, a: 0, b: ids.length })];
  }
  advance(): number {
    seen.advances++;
    if (this.#over) return 2;
    if (this.onGpu && gpu.lost) fail('gpu', 'GPU: the device is lost.');
    if (this.onGpu && seen.advances % 2 === 0) return 4;
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
  divergence(from: Session): number {
    return Math.abs(this.#ids.length - from.#ids.length);
  }
  stats(): Wasm.SessionStats {
    return { kvBytes: 64 * this.#ids.length, allocatedBytes: 4096 };
  }
  free(): void {
    seen.freed++;
  }
}

/** One host of several: exchanges its number and the layer before each step. */
class HostSession extends Session {
  #layer = 0;

  constructor(
    readonly number: number,
    readonly hosts: number,
  ) {
    super();
  }
  override start(ids: Uint32Array, rounds: Uint32Array, at: Uint32Array, rows: Float32Array, maxTokens: number): void {
    if (ids.length > 0 && ids.length < this.hosts) fail('param', `hosts = ${this.hosts} is out of range.`);
    super.start(ids, rounds, at, rows, maxTokens);
  }
  override advance(): number {
    const state = super.advance();
    if (state !== 1) return state;
    this.#layer = 1;
    return 3;
  }
  override partial(): Float32Array {
    return Float32Array.of(this.number, this.#layer);
  }
  override merge(partials: Float32Array[]): number {
    seen.merged.push([this.number, ...partials.flatMap((partial) => [...partial])]);
    return this.#layer++ < LAYERS ? 3 : 1;
  }
}
