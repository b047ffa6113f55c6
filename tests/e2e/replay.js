import { ALL_HEADS, Kind, PAYLOAD, RECORD } from 'attnscope/trace';

/**
 * Replays a trace with sets of positions, sharing no code with the page but the numbers of the record kinds.
 * @param {{ layers: number, queryHeads: number, kvHeads: number }} info
 * @param {Uint8Array[]} blocks
 */
export function replay(info, blocks) {
  const { layers, queryHeads, kvHeads } = info;
  const make = (heads) => Array.from({ length: layers }, () => Array.from({ length: heads }, () => new Set()));
  const stored = make(kvHeads);
  const evicted = make(kvHeads);
  /** By layer, how many rows were dropped. */
  const gone = Array(layers).fill(0);
  /** What a row loses when it leaves the cache. */
  const marks = { quantised: make(kvHeads), parked: make(kvHeads), merged: make(kvHeads) };
  const unmark = (layer, h, p) => {
    for (const set of Object.values(marks)) set[layer][h].delete(p);
  };
  let dropped = make(kvHeads);
  let read = make(queryHeads);
  let before = make(queryHeads);
  const unweighed = () => Array.from({ length: layers }, () => Array.from({ length: queryHeads }, () => new Map()));
  let weights = unweighed();
  let length = 0;
  const group = queryHeads / kvHeads;

  for (const { kind, layer, head, a, b, positions, words } of blocks.flatMap(parse)) {
    const heads = (n) => (head === ALL_HEADS ? Array.from({ length: n }, (_, h) => h) : [head]);
    if (kind === Kind.pass) {
      dropped = make(kvHeads);
      // A head that read everything chose nothing.
      before = read.map((heads, l) =>
        heads.map((set, h) => (set.size < stored[l][Math.floor(h / group)].size ? set : new Set())),
      );
      read = make(queryHeads);
      weights = unweighed();
      length = Math.max(length, a + b);
    } else if (kind === Kind.append) {
      for (const h of heads(kvHeads))
        for (const p of positions) {
          stored[layer][h].add(p);
          evicted[layer][h].delete(p);
        }
    } else if (kind === Kind.evictRun || kind === Kind.evictBits) {
      for (const h of heads(kvHeads))
        for (const p of positions) {
          if (!stored[layer][h].delete(p)) continue;
          gone[layer]++;
          evicted[layer][h].add(p);
          dropped[layer][h].add(p);
          unmark(layer, h, p);
        }
    } else if (kind === Kind.cut) {
      length = a;
      for (const h of heads(kvHeads))
        for (const p of positions) {
          stored[layer][h].delete(p);
          unmark(layer, h, p);
        }
    } else if (kind === Kind.quantise) {
      for (const h of heads(kvHeads)) for (const p of positions) marks.quantised[layer][h].add(p);
    } else if (kind === Kind.park) {
      for (const h of heads(kvHeads)) for (const p of positions) marks.parked[layer][h].add(p);
    } else if (kind === Kind.fetch) {
      for (const h of heads(kvHeads)) for (const p of positions) marks.parked[layer][h].delete(p);
    } else if (kind === Kind.fold) {
      for (const h of heads(kvHeads)) marks.merged[layer][h].add(b);
    } else if (kind === Kind.readAll || kind === Kind.readWindow) {
      for (const h of heads(queryHeads)) {
        const all = [...stored[layer][Math.floor(h / group)]].sort((x, y) => y - x);
        read[layer][h] = new Set(kind === Kind.readAll ? all : all.slice(0, a));
      }
    } else if (kind === Kind.weights) {
      for (const word of words) weights[layer][head].set(word >>> 12, (word & 4095) / 4095);
    } else if (kind === Kind.readRun || kind === Kind.readBits) {
      for (const h of heads(queryHeads)) for (const p of positions) read[layer][h].add(p);
    }
  }

  /** What heads read that read a choice in the pass before, beside that. */
  const chosen = read
    .flatMap((heads, l) => heads.map((set, h) => [set, before[l][h]]))
    .filter(([, old]) => old.size > 0);
  const rows = (sets) => sets.flat().reduce((sum, set) => sum + set.size, 0);
  return {
    length,
    /** Since the beginning. */
    evictedRows: gone.reduce((sum, rows) => sum + rows),
    readRows: rows(read),
    storedRows: rows(stored),
    quantisedRows: rows(marks.quantised),
    parkedRows: rows(marks.parked),
    mergedRows: rows(marks.merged),
    evictingLayers: gone.filter((rows) => rows > 0).length,
    chosenRows: chosen.reduce((sum, [set]) => sum + set.size, 0),
    freshRows: chosen.reduce((sum, [set, old]) => sum + [...set].filter((p) => !old.has(p)).length, 0),
    /** @param {number} layer @param {number} head */
    readsOf: (layer, head) => read[layer][head].size,
    /** @param {number} layer @param {number} head @param {number} position */
    reads(layer, head, position) {
      const kv = Math.floor(head / group);
      if (read[layer][head].has(position)) return 'read';
      if (marks.parked[layer][kv].has(position)) return 'parked';
      if (stored[layer][kv].has(position)) return before[layer][head].has(position) ? 'earlier' : 'stored';
      return evicted[layer][kv].has(position) ? 'evicted' : 'empty';
    },
    /** @param {number} layer @param {number} head @param {number} position */
    weights(layer, head, position) {
      const [weight, kv] = [weights[layer][head].get(position), Math.floor(head / group)];
      if (weight !== undefined)
        return `weight${[1 / 256, 0.01, 0.03, 0.07, 0.17, 0.4].filter((s) => weight >= s).length}`;
      const any = weights.flat().some((listed) => listed.size > 0);
      if (any && stored[layer][kv].has(position)) return 'faint';
      return evicted[layer][kv].has(position) ? 'evicted' : 'empty';
    },
    /** @param {number} layer @param {number} head @param {number} position */
    weightOf: (layer, head, position) => weights[layer][head].get(position) ?? 0,
    /**
     * Beside what another method reads in the same step.
     * @param {ReturnType<typeof replay>} other
     */
    differs(other) {
      return (layer, head, position) => {
        const here = read[layer][head].has(position);
        if (other.reads(layer, head, position) === 'read') {
          if (here) return 'both';
          return stored[layer][Math.floor(head / group)].has(position) ? 'missed' : 'lost';
        }
        return here ? 'extra' : 'empty';
      };
    },
    /** @param {number} layer @param {number} head @param {number} position */
    storage(layer, head, position) {
      if (dropped[layer][head].has(position)) return 'dropped';
      for (const name of ['merged', 'parked', 'quantised']) if (marks[name][layer][head].has(position)) return name;
      if (stored[layer][head].has(position)) return 'stored';
      return evicted[layer][head].has(position) ? 'evicted' : 'empty';
    },
  };
}

/** Of these kinds, `b` positions from `a` on are meant. */
const RUNS = [Kind.append, Kind.readRun, Kind.evictRun, Kind.cut, Kind.quantise, Kind.park, Kind.fetch];

/** @param {Uint8Array} block */
function parse(block) {
  const data = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const out = [];
  for (let at = 0; at < block.length; ) {
    const kind = block[at];
    const a = data.getUint32(at + 8, true);
    const b = data.getUint32(at + 12, true);
    const positions = [];
    const payload = PAYLOAD.includes(kind) ? b * RECORD : 0;
    const words =
      kind === Kind.weights ? Array.from({ length: a }, (_, i) => data.getUint32(at + RECORD + 4 * i, true)) : [];
    for (let i = 0; i < payload * 8; i++) if ((block[at + RECORD + (i >> 3)] >> (i & 7)) & 1) positions.push(a + i);
    const isRun = RUNS.includes(kind);
    if (isRun) for (let p = a; p < a + b; p++) positions.push(p);
    out.push({ kind, layer: block[at + 1], head: block[at + 2], a, b, positions, words });
    at += RECORD + payload;
  }
  return out;
}
