/** A recorded run of one or several methods on one prompt, as a trace file holds it. */
import { AttnscopeError } from '../errors.js';
import type { Shape } from './cache-view.js';
import type { History } from './history.js';
import type { Turn } from './turns.js';

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

/** A further message of a conversation. */
export interface TraceTurn extends Turn {
  /** What was said. */
  text: string;
  /** Id of the token before it, which ends the answer: of those that were proposed for its place, the one that was taken. */
  last: number;
  /** What was given to be read, from the position after that on. */
  tokens: readonly TraceToken[];
}

export interface TraceTrack {
  /** Name in the registry. */
  method: string;
  title: string;
  params: Readonly<Record<string, TraceValue>>;
  /** What the method proposed in each step; with the same tokens for all, the text is what the first track proposed. */
  steps: readonly TraceToken[];
  /** Tokens a second when it was recorded, alone; null where nobody measured. */
  tokensPerSecond: number | null;
  /** The messages after the prompt, each before the first step of its answer. */
  turns?: readonly TraceTurn[];
  /** Of several hosts, that of the last, which has the question and the answer. */
  history: History;
  /** One for each host, where the text is spread over several. */
  hosts?: readonly History[];
}

export interface TraceRun {
  model: TraceModel;
  prompt: readonly TraceToken[];
  /** What else the recorder wants to know again, as JSON. */
  settings: Readonly<Record<string, unknown>>;
  tracks: readonly TraceTrack[];
}

/** What stands in the JSON of a file: all of a run but the histories, of which it has the number. */
export type TraceHeader = Omit<TraceRun, 'tracks'> & { tracks: readonly HeaderTrack[] };
type HeaderTrack = Omit<TraceTrack, 'history' | 'hosts'> & { hosts?: number };

/** All histories of a track: one for each host. */
export function historiesOf({ history, hosts = [] }: Pick<TraceTrack, 'history' | 'hosts'>): readonly History[] {
  return hosts.length > 1 ? hosts : [history];
}

/** What of a run is text. */
interface Said {
  prompt: TraceRun['prompt'];
  tracks: readonly Pick<TraceTrack, 'steps' | 'turns'>[];
}

/** Positions of the longest text: prompt, answers and further messages. */
export function positionsOf({ prompt, tracks }: Said): number {
  const lengths = tracks.map(({ steps, turns = [] }) => steps.length + sum(turns, ({ tokens }) => tokens.length));
  return prompt.length + Math.max(0, ...lengths);
}

/** Of all tracks together: more than there are methods, and than a text has hosts. */
const MAX_HISTORIES = 64;
/** More messages than fit any model. */
const MAX_TURNS = 4096;
/** One byte of a record names it, and 255 is every head. */
const MAX_LAYERS = 255;
const MAX_HEADS = 254;
const MAX_ID = 0xffff_ffff;

/** Checks what a file says of itself, and leaves out what is not known. Throws `trace`. */
export function checkHeader(json: unknown): TraceHeader {
  const { model, prompt, settings, tracks } = object(json, 'header');
  const m = object(model, 'model');
  const queryHeads = whole(m.queryHeads, 'model.queryHeads', 1, MAX_HEADS);
  const made = list(tracks, 'tracks', MAX_HISTORIES).map(track);
  if (sum(made, ({ hosts = 1 }) => hosts) > MAX_HISTORIES) throw wrong('hosts');
  // In a step of the run, some track makes one of its own or fails, which it does once.
  const last = sum(made, ({ steps }) => steps.length + 1);
  for (const { turns = [] } of made) for (const { step } of turns) whole(step, 'turn.step', 0, last);
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
    tracks: made,
  };
}

function track(json: unknown): HeaderTrack {
  const { method, title, params, steps, tokensPerSecond, turns, hosts } = object(json, 'track');
  const values = Object.entries(object(params, 'params'));
  if (tokensPerSecond !== null && !(typeof tokensPerSecond === 'number' && tokensPerSecond >= 0)) {
    throw wrong('tokensPerSecond');
  }
  const own = list(steps, 'steps').map(token);
  return {
    method: text(method, 'method'),
    title: text(title, 'title'),
    params: Object.fromEntries(values.map(([name, of]) => [name, value(of)])),
    steps: own,
    tokensPerSecond,
    ...(turns !== undefined && { turns: conversation(turns, own.length) }),
    ...(hosts !== undefined && { hosts: whole(hosts, 'hosts', 2, MAX_HISTORIES) }),
  };
}

/** Every answer has a step, and no two of them are in one step of the run. */
function conversation(json: unknown, steps: number): TraceTurn[] {
  let before: Turn = { at: 0, step: 0 };
  return list(json, 'turns', MAX_TURNS).map((json) => {
    const { at, step, text: of, last, tokens } = object(json, 'turn');
    const from = whole(at, 'turn.at', before.at + 1, steps - 1);
    const turn = {
      at: from,
      step: whole(step, 'turn.step', before.step + from - before.at, Number.MAX_SAFE_INTEGER),
      text: text(of, 'turn.text'),
      last: whole(last, 'turn.last', 0, MAX_ID),
      tokens: list(tokens, 'turn.tokens').map(token),
    };
    before = turn;
    return turn;
  });
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

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
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
