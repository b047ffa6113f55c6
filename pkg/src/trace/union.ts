/** One text whose rows lie on several hosts, as one cache: each host's trace tells of its own share alone. */
import { countBits } from '../bits.js';
import { CacheView, KV_SETS } from './cache-view.js';
import type { Facts } from './facts.js';

/**
 * What the hosts store and read together. A row that one of them dropped and another has is not gone. A host's weights are
 * shares of what it reads itself, so together there are none.
 */
export function unionOf(hosts: readonly CacheView[]): CacheView {
  const last = hosts[hosts.length - 1];
  const all = new CacheView(last.shape);
  all.resize(Math.max(...hosts.map(({ words }) => words)));
  for (const name of [...KV_SETS, 'read', 'before'] as const) for (const host of hosts) join(all, host, name);
  for (let at = 0; at < all.evicted.length; at++) all.evicted[at] &= ~all.stored[at];
  for (let at = 0; at < all.dropped.length; at++) all.dropped[at] &= ~all.stored[at];
  for (let row = 0; row < all.storedRows.length; row++) {
    all.storedRows[row] = countBits(all.stored, row * all.words, all.words);
    all.evictedRows[row] = countBits(all.evicted, row * all.words, all.words);
  }
  all.length = Math.max(...hosts.map(({ length }) => length));
  all.pass = last.pass;
  all.totals = totalsOf(hosts);
  return all;
}

/** What several hosts store and read together, in numbers. */
export function totalsOf(hosts: readonly { readonly totals: Readonly<CacheView['totals']> }[]): CacheView['totals'] {
  const sum = (of: keyof CacheView['totals']) => hosts.reduce((total, { totals }) => total + totals[of], 0);
  return {
    kvBytes: sum('kvBytes'),
    readBytes: sum('readBytes'),
    storedRows: sum('storedRows'),
    readRows: sum('readRows'),
  };
}

/** What the hosts did together: every pass once, and the bytes of all. */
export function unionFacts(hosts: readonly Facts[]): Facts {
  const passes = new Map(hosts.flatMap(({ prefills }) => prefills.map((pass) => [pass.first, pass] as const)));
  return {
    ...hosts[hosts.length - 1],
    prompt: Math.max(...hosts.map(({ prompt }) => prompt)),
    prefills: [...passes.values()].sort((a, b) => a.first - b.first),
    sent: hosts.reduce((sum, { sent }) => sum + sent, 0),
    received: hosts.reduce((sum, { received }) => sum + received, 0),
  };
}

function join(to: CacheView, from: CacheView, name: (typeof KV_SETS)[number] | 'read' | 'before'): void {
  const [bits, more] = [to[name], from[name]];
  for (let at = 0, row = 0; at < more.length; at += from.words, row += to.words) {
    for (let w = 0; w < from.words; w++) bits[row + w] |= more[at + w];
  }
}
