/**
 * What a caller hands in, checked before it crosses to the engine: wasm takes numbers modulo 2³² and a fraction cut
 * off, and an option that nobody reads would be ignored in silence.
 */
import { AttnscopeError } from './errors.js';
import { isSha256 } from './store.js';
import type * as Api from './types.js';

const MAX_U32 = 0xffff_ffff;
/** Each has an engine and the weights in memory. */
const MAX_HOSTS = 64;
/** What timers take. */
const MAX_TIMEOUT = 0x7fff_ffff;

const LOAD = [
  'signal',
  'onProgress',
  'cache',
  'sha256',
  'onNotice',
] as const satisfies readonly (keyof Api.ReadOptions)[];
const GENERATE = [
  'maxTokens',
  'signal',
  'trace',
  'onProgress',
  'continue',
] as const satisfies readonly (keyof Api.GenerateOptions)[];

/** The options of `load` for a source. Throws `param`, also where only an address can be kept and this is none. */
export function readOptions(source: Api.Source, options: Api.ReadOptions = {}): Api.ReadOptions {
  const { cache = false, sha256, ...rest } = onlyNames('load', options, LOAD);
  if (typeof cache !== 'boolean' && (typeof cache?.name !== 'string' || cache.name === '')) {
    throw refusal('cache', cache, 'true, false or { name }, a text');
  }
  if (cache && typeof source !== 'string' && !(source instanceof URL)) {
    throw refusal('cache', cache, 'false, for a source that is no address');
  }
  const hash = sha256 === undefined ? undefined : textOf(sha256).toLowerCase();
  if (hash !== undefined && !isSha256(hash)) throw refusal('sha256', sha256, '64 hexadecimal digits');
  return { ...rest, cache, sha256: hash };
}

/** How many hosts, and for how many milliseconds one may be silent. Throws `param`. */
export function hostOptions({ hosts = 1, hostTimeout = 30_000 }: Api.OpenOptions): { hosts: number; limit: number } {
  if (!isWhole(hosts) || hosts < 1 || hosts > MAX_HOSTS) {
    throw refusal('hosts', hosts, `a whole number from 1 to ${MAX_HOSTS}`);
  }
  if (typeof hostTimeout !== 'number' || !(hostTimeout > 0 && hostTimeout <= MAX_TIMEOUT)) {
    throw refusal('hostTimeout', hostTimeout, `milliseconds above 0, up to ${MAX_TIMEOUT}`);
  }
  return { hosts, limit: hostTimeout };
}

/** The options of `generate`, with its default. Throws `param`. */
export function generateOptions(options: Api.GenerateOptions = {}): Api.GenerateOptions & { maxTokens: number } {
  const { maxTokens = 64, ...rest } = onlyNames('generate', options, GENERATE);
  if (!isWhole(maxTokens) || maxTokens === 0) {
    throw refusal('maxTokens', maxTokens, `a whole number from 1 to ${MAX_U32}`);
  }
  return { ...rest, maxTokens };
}

/** Token ids. Throws `token_id` for what cannot be one; whether the model has them, the engine checks. */
export function tokenIds(ids: Uint32Array | readonly number[]): Uint32Array {
  if (ids instanceof Uint32Array) return ids;
  if (!Array.isArray(ids)) throw refusal('ids', ids, 'a list of token ids');
  return Uint32Array.from(ids, tokenId);
}

export function tokenId(id: unknown): number {
  if (isWhole(id)) return id;
  throw new AttnscopeError('token_id', `token id ${shown(id)} is not a whole number from 0 to ${MAX_U32}`);
}

export function bytesOf(bytes: ArrayBuffer | Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes;
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw refusal('bytes', bytes, 'an ArrayBuffer or a Uint8Array');
}

export function textOf(text: unknown): string {
  if (typeof text === 'string') return text;
  throw refusal('text', text, 'a string');
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_U32;
}

function onlyNames<T extends object>(call: string, options: T, names: readonly (keyof T & string)[]): T {
  if (typeof options !== 'object' || options === null) throw refusal(`options of ${call}`, options, 'an object');
  const unknown = Object.keys(options).find((key) => !(names as readonly string[]).includes(key));
  if (unknown === undefined) return options;
  throw refusal(`options of ${call}`, unknown, names.join(', '));
}

/** In the words of the engine, so that both sides read alike. */
export function refusal(name: string, got: unknown, allowed: string): AttnscopeError {
  return new AttnscopeError('param', `${name} = ${shown(got)} is out of range; allowed: ${allowed}`);
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
