/** A recorded run of one or several methods on one prompt, as a trace file holds it. */
import { AttnscopeError } from '../errors.js';
import type { Shape } from './cache-view.js';
import type { History } from './history.js';

export interface TraceModel extends Shape {
  name: string;
  headDim: number;
}

export interface TraceToken {
  id: number;
  text: string;
  /** Of a step: divergence from the first track's distribution of this token, in nats, where it was measured. */
  kl?: number;
}

export type TraceValue = number | string | boolean | readonly number[];

export interface TraceTrack {
  /** Name in the registry. */
  method: string;
  title: string;
  params: Readonly<Record<string, TraceValue>>;
  /** What the method proposed in each step; with the same tokens for all, the text is what the first track proposed. */
  steps: readonly TraceToken[];
  /** Tokens a second when it was recorded, alone; null where nobody measured. */
  tokensPerSecond: number | null;
  history: History;
}

export interface TraceRun {
  model: TraceModel;
  prompt: readonly TraceToken[];
  /** What else the recorder wants to know again, as JSON. */
  settings: Readonly<Record<string, unknown>>;
  tracks: readonly TraceTrack[];
}

/** What stands in the JSON of a file: all of a run but the histories. */
export type TraceHeader = Omit<TraceRun, 'tracks'> & { tracks: readonly Omit<TraceTrack, 'history'>[] };

/** More than there are methods. */
const MAX_TRACKS = 64;
/** One byte of a record names it, and 255 is every head. */
const MAX_LAYERS = 255;
const MAX_HEADS = 254;
const MAX_ID = 0xffff_ffff;

/** Checks what a file says of itself, and leaves out what is not known. Throws `trace`. */
export function checkHeader(json: unknown): TraceHeader {
  const { model, prompt, settings, tracks } = object(json, 'header');
  const m = object(model, 'model');
  const queryHeads = whole(m.queryHeads, 'model.queryHeads', 1, MAX_HEADS);
  return {
    model: {
      name: text(m.name, 'model.name'),
      layers: whole(m.layers, 'model.layers', 1, MAX_LAYERS),
      queryHeads,
      kvHeads: whole(m.kvHeads, 'model.kvHeads', 1, queryHeads),
      headDim: whole(m.headDim, 'model.headDim', 1, 0xffff),
    },
    prompt: list(prompt, 'prompt').map(token),
    settings: object(settings, 'settings'),
    tracks: list(tracks, 'tracks', MAX_TRACKS).map(track),
  };
}

function track(json: unknown): TraceHeader['tracks'][number] {
  const { method, title, params, steps, tokensPerSecond } = object(json, 'track');
  const values = Object.entries(object(params, 'params'));
  if (tokensPerSecond !== null && !(typeof tokensPerSecond === 'number' && tokensPerSecond >= 0)) {
    throw wrong('tokensPerSecond');
  }
  return {
    method: text(method, 'method'),
    title: text(title, 'title'),
    params: Object.fromEntries(values.map(([name, of]) => [name, value(of)])),
    steps: list(steps, 'steps').map(token),
    tokensPerSecond,
  };
}

function token(json: unknown): TraceToken {
  const { id, text: of, kl } = object(json, 'token');
  const token = { id: whole(id, 'token.id', 0, MAX_ID), text: text(of, 'token.text') };
  if (kl === undefined) return token;
  if (!Number.isFinite(kl)) throw wrong('token.kl');
  return { ...token, kl: kl as number };
}

function value(json: unknown): TraceValue {
  if (typeof json === 'number' || typeof json === 'string' || typeof json === 'boolean') return json;
  return list(json, 'params').map((n) => {
    if (typeof n !== 'number') throw wrong('params');
    return n;
  });
}

function object(json: unknown, name: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong(name);
  return json as Record<string, unknown>;
}

function list(json: unknown, name: string, most = Number.POSITIVE_INFINITY): unknown[] {
  if (!Array.isArray(json) || json.length > most) throw wrong(name);
  return json;
}

function whole(json: unknown, name: string, min: number, max: number): number {
  if (!Number.isInteger(json) || (json as number) < min || (json as number) > max) throw wrong(name);
  return json as number;
}

function text(json: unknown, name: string): string {
  if (typeof json !== 'string') throw wrong(name);
  return json;
}

function wrong(name: string): AttnscopeError {
  return new AttnscopeError('trace', `This trace file is damaged: its ${name} is not what it should be.`);
}
