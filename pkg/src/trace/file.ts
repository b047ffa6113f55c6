/**
 * The trace file: one run, of one method or of several side by side, to be opened again without a model.
 *
 * Eight bytes of magic and a version `u32`, then sections `stored u32, size u32, bytes`, little endian. A section is
 * deflated when `stored` is not `size`. The first is the header as JSON (`TraceHeader`): the run without its histories;
 * then, track by track, one for every 32 steps: for each step `size u32` and its block. A track may have `turns`, the
 * further messages of a conversation, whose passes are in the blocks of the steps after them, and `hosts`, a number above
 * 1: it then has the sections of as many histories, one host after the other. A reader trusts none of it: sizes have
 * limits, nothing is inflated beyond the size that was announced, and all blocks are replayed before a run is given out.
 */
import { AttnscopeError } from '../errors.js';
import { inflate } from './compress.js';
import { HISTORY_LIMIT, History } from './history.js';
import { checkHeader, positionsOf, type TraceRun, type TraceTrack } from './run.js';

/** As with PNG, the bytes around the name show that a transfer changed line ends or cut off a bit. */
export const MAGIC = Uint8Array.of(0x89, 0x41, 0x54, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a);
export const VERSION = 1;
export const START = MAGIC.length + 4;
const SECTION = 8;
/** Of one section. */
export const STEPS = 32;

/** 32 steps at 8,192 tokens of text are 9 MB with the method that records most. */
export const MAX_SECTION = 64 * 2 ** 20;
const MAX_ALL = 512 * 2 ** 20;
/** What deflate can reach; a size above it is a lie. */
const MAX_RATIO = 1032;
/** Tokens that were guessed and taken back come after the text. */
const GUESSES = 256;

/** Whether a file says that it is a trace, sound or not. */
export async function isTraceFile(file: Blob): Promise<boolean> {
  const name = MAGIC.subarray(1, 4);
  const start = new Uint8Array(await file.slice(1, 1 + name.length).arrayBuffer());
  return name.every((byte, i) => start[i] === byte);
}

export interface ReadTraceOptions {
  /** Ends reading between two steps. */
  signal?: AbortSignal;
  /** Bytes that the histories of all tracks may take together. Default 128 MiB. */
  limit?: number;
}

/** Reads a trace file, whoever wrote it. Throws `trace` when it is none, damaged, or too large. */
export async function readTraceFile(
  source: Blob | ArrayBuffer | Uint8Array,
  { signal, limit = HISTORY_LIMIT }: ReadTraceOptions = {},
): Promise<TraceRun> {
  const bytes = source instanceof Blob ? await source.arrayBuffer() : source;
  const sections = new Sections(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes));
  const header = checkHeader(parse(await sections.next()));
  const positions = positionsOf(header) + GUESSES;
  const read = async (steps: number, limit: number) => {
    const history = new History(header.model, { limit, positions });
    for (let left = steps; left > 0; left -= STEPS) {
      for (const block of blocksOf(await sections.next(), Math.min(left, STEPS))) {
        if (signal?.aborted) throw new AttnscopeError('aborted', 'Reading the trace was stopped on request.');
        history.add(block);
        history.close();
      }
      await history.settled();
    }
    return history;
  };
  const tracks: TraceTrack[] = [];
  for (const { hosts: count = 1, ...track } of header.tracks) {
    const hosts: History[] = [];
    while (hosts.length < count) hosts.push(await read(track.steps.length, limit / header.tracks.length / count));
    tracks.push({ ...track, history: hosts[count - 1], ...(count > 1 && { hosts }) });
  }
  sections.end();
  return { ...header, tracks };
}

/** The sections of a file, one after the other. */
class Sections {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  #at = START;
  #all = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < START || MAGIC.some((byte, i) => bytes[i] !== byte)) {
      throw new AttnscopeError('trace', 'This is not a trace file.');
    }
    const version = this.#data.getUint32(MAGIC.length, true);
    if (version !== VERSION) {
      throw new AttnscopeError('trace', `This trace file has version ${version}; this program reads ${VERSION}.`);
    }
  }

  async next(): Promise<Uint8Array> {
    const from = this.#at + SECTION;
    if (from > this.#bytes.length) throw damaged('it ends too early');
    const stored = this.#data.getUint32(this.#at, true);
    const size = this.#data.getUint32(this.#at + 4, true);
    this.#at = from + stored;
    this.#all += size;
    if (this.#at > this.#bytes.length) throw damaged('it ends too early');
    if (size > MAX_SECTION || this.#all > MAX_ALL || size > stored * MAX_RATIO) throw damaged('a size is out of range');
    const bytes = this.#bytes.subarray(from, this.#at);
    return stored === size ? bytes : inflate(bytes, size);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw damaged('something follows its end');
  }
}

/** Copies of the blocks, so that a history does not hold on to the file. */
function blocksOf(section: Uint8Array, count: number): Uint8Array[] {
  const data = new DataView(section.buffer, section.byteOffset, section.byteLength);
  const blocks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > section.length) throw damaged('a step is missing');
    const from = at + 4;
    at = from + data.getUint32(at, true);
    if (at > section.length) throw damaged('a step is cut short');
    blocks.push(section.slice(from, at));
  }
  if (at !== section.length) throw damaged('there are more steps than it says');
  return blocks;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new AttnscopeError('trace', 'This trace file is damaged: its header is no JSON.', { cause: thrown });
  }
}

function damaged(why: string): AttnscopeError {
  return new AttnscopeError('trace', `This trace file is damaged: ${why}.`);
}
