/**
 * What stands under the axis of a map because something happened: rounds, blocks of the prompt, pools, tiers. Bands are
 * data, so that drawing and words say the same; each is there only when the records have what it shows.
 */
import { popcount } from '../bits.js';
import type { CacheView } from '../trace/cache-view.js';
import type { Axis } from './cells.js';
import { count, percent, plural } from './format.js';
import type { StateName } from './states.js';
import type { Summary } from './verdict.js';
import { say } from './words.js';

/** Positions `first` to `end` in a band. */
export interface Span {
  first: number;
  end: number;
  /** The colour is that of a state on the map; hatched where it is out of reach. */
  state: StateName;
  hatched: boolean;
  /** Height of its bar, from 0 to 1. */
  bar: number;
}

export interface SpanBand {
  kind: 'spans';
  spans: readonly Span[];
  /** What is drawn, in words. */
  says: string;
}

/** `[width]` shares for every tier: of the rows that the KV heads store in a column, those in it. */
export interface TierBand {
  kind: 'tiers';
  tiers: readonly { state: StateName; shares: Float32Array }[];
  says: string;
}

export type Band = SpanBand | TierBand;

/** `hosts`: where the text lies on several, the cache of each. */
export function bandsOf(view: CacheView, summary: Summary, axis: Axis, hosts: readonly CacheView[] = []): Band[] {
  const bands = [
    rounds(summary),
    blocks(summary),
    pools(summary),
    tiers(view, summary, axis),
    lanes(view, axis, hosts),
  ];
  return bands.filter((band) => band !== null);
}

function rounds({ rounds: found }: Summary): Band | null {
  if (!found) return null;
  const most = Math.max(...found.rounds.map(({ share }) => share ?? 0));
  const spans = found.rounds.map(({ first, end, share, read, parked }): Span => {
    const bar = share === null || most === 0 ? 1 : share / most;
    return { first, end, state: read ? 'read' : parked ? 'parked' : 'stored', hatched: parked, bar };
  });
  const parked = spans.filter(({ hatched }) => hatched).length;
  const shares = found.rounds.flatMap(({ share }) => (share === null ? [] : [percent(share)]));
  const far = parked > 0 ? say(', {rounds} parked (hatched)', { rounds: plural(parked, 'round') }) : '';
  const values = { layer: found.layer, shares: shares.join(', '), far };
  return {
    kind: 'spans',
    spans,
    says: say(
      'Rounds: the bar is a round’s share of the question’s attention in layer {layer} ({shares}); filled ones are read above it{far}.',
      values,
    ),
  };
}

function blocks({ blocks: found, facts }: Summary): Band | null {
  if (!found) return null;
  const inBlocks = facts.prefills.slice(0, found.count);
  const spans = inBlocks.map(
    ({ first, rows }): Span => ({ first, end: first + rows, state: 'stored', hatched: false, bar: 1 }),
  );
  spans.push({ first: 0, end: found.anchor, state: 'merged', hatched: false, bar: 0.5 });
  const tokens = plural(found.anchor, 'token');
  const says = say('Blocks of the prompt: each read itself and the first {tokens}, the anchor.', { tokens });
  return { kind: 'spans', spans, says };
}

/** Where what is kept of the prompt ends and what is kept of the text begins; the bar is the share that is left. */
function pools({ evictedRows, facts, length, promptRows, writtenRows }: Summary): Band | null {
  const { prompt } = facts;
  if (evictedRows === 0 || prompt === 0 || length <= prompt) return null;
  const pool = (first: number, end: number, rows: number, state: StateName): Span => {
    return { first, end, state, hatched: false, bar: rows / (end - first) };
  };
  return {
    kind: 'spans',
    spans: [pool(0, prompt, promptRows, 'stored'), pool(prompt, length, writtenRows, 'earlier')],
    says: say('Kept: {n} of {rows} of the prompt, {m} of {others} after it.', {
      ...{ n: count(promptRows), rows: plural(prompt, 'row') },
      ...{ m: count(writtenRows), others: count(length - prompt) },
    }),
  };
}

function tiers(view: CacheView, { quantisedRows, parkedRows, facts }: Summary, axis: Axis): Band | null {
  if (quantisedRows === 0 && parkedRows === 0) return null;
  const { stored, quantised, parked } = view;
  const all = countsOf(view, axis, (at) => stored[at]);
  const share = (pick: (at: number) => number) =>
    countsOf(view, axis, pick).map((n, x) => (all[x] === 0 ? 0 : n / all[x]));
  const found: TierBand['tiers'][number][] = [
    { state: 'stored', shares: share((at) => stored[at] & ~quantised[at] & ~parked[at]) },
  ];
  if (quantisedRows > 0) found.push({ state: 'quantised', shares: share((at) => quantised[at]) });
  if (parkedRows > 0) found.push({ state: 'parked', shares: share((at) => parked[at]) });
  const planes = facts.upperPlane ? say('4-bit planes, of which guesses read the upper alone') : say('4-bit planes');
  const names = [say('full precision'), quantisedRows > 0 ? planes : '', parkedRows > 0 ? say('far tier') : ''].filter(
    (name) => name !== '',
  );
  return { kind: 'tiers', tiers: found, says: say('Tiers from top to bottom: {names}.', { names: names.join('; ') }) };
}

/** A lane for every host: of what all store in a column, its share. */
function lanes(view: CacheView, axis: Axis, hosts: readonly CacheView[]): Band | null {
  if (hosts.length < 2) return null;
  const all = countsOf(view, axis, (at) => view.stored[at]);
  const rows = hosts.map(({ storedRows }) => storedRows.reduce((sum, n) => sum + n, 0));
  const total = rows.reduce((sum, n) => sum + n, 0);
  const tiers = hosts.map((host) => {
    const own = countsOf(host, axis, (at) => host.stored[at]);
    return { state: 'read' as const, shares: own.map((n, x) => (all[x] === 0 ? 0 : n / all[x])) };
  });
  const shares = rows.map((n, i) => say('host {n} {share}', { n: i + 1, share: percent(total === 0 ? 0 : n / total) }));
  const says = say('Hosts from top to bottom, and what each stores: {hosts}.', { hosts: shares.join(', ') });
  return { kind: 'tiers', tiers, says };
}

/** Bits of the picked words by column, over all layers and KV heads. */
function countsOf({ words, stored }: CacheView, { width, shift }: Axis, pick: (at: number) => number): Float32Array {
  const counts = new Float32Array(width);
  const size = 1 << shift;
  const mask = size === 32 ? -1 : (1 << size) - 1;
  for (let at = 0; at < stored.length; at++) {
    const word = pick(at);
    if (word === 0) continue;
    const first = ((at % words) * 32) >> shift;
    // Most words: all of it.
    if ((word | 0) === -1) {
      for (let x = first; x < Math.min(width, first + (32 >> shift)); x++) counts[x] += size;
      continue;
    }
    for (let bit = 0, x = first; bit < 32 && x < width; bit += size, x++) counts[x] += popcount((word >>> bit) & mask);
  }
  return counts;
}
