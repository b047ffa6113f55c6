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
  let dropped = make(kvHeads);
  let read = make(queryHeads);
  let before = make(queryHeads);
  let length = 0;
  const group = queryHeads / kvHeads;

  for (const { kind, layer, head, a, b, positions } of blocks.flatMap(parse)) {
    const heads = (n) => (head === ALL_HEADS ? Array.from({ length: n }, (_, h) => h) : [head]);
    if (kind === Kind.pass) {
      dropped = make(kvHeads);
      // A head that read everything chose nothing.
      before = read.map((heads, l) =>
        heads.map((set, h) => (set.size < stored[l][Math.floor(h / group)].size ? set : new Set())),
      );
      read = make(queryHeads);
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
          evicted[layer][h].add(p);
          dropped[layer][h].add(p);
        }
    } else if (kind === Kind.readAll || kind === Kind.readWindow) {
      for (const h of heads(queryHeads)) {
        const all = [...stored[layer][Math.floor(h / group)]].sort((x, y) => y - x);
        read[layer][h] = new Set(kind === Kind.readAll ? all : all.slice(0, a));
      }
    } else if (kind === Kind.readRun || kind === Kind.readBits) {
      for (const h of heads(queryHeads)) for (const p of positions) read[layer][h].add(p);
    }
  }

  return {
    length,
    evictedRows: evicted.flat().reduce((sum, set) => sum + set.size, 0),
    readRows: read.flat().reduce((sum, set) => sum + set.size, 0),
    /** @param {number} layer @param {number} head @param {number} position */
    reads(layer, head, position) {
      const kv = Math.floor(head / group);
      if (read[layer][head].has(position)) return 'read';
      if (stored[layer][kv].has(position)) return before[layer][head].has(position) ? 'earlier' : 'stored';
      return evicted[layer][kv].has(position) ? 'evicted' : 'empty';
    },
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
      if (stored[layer][head].has(position)) return 'stored';
      return evicted[layer][head].has(position) ? 'evicted' : 'empty';
    },
  };
}

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
    for (let i = 0; i < payload * 8; i++) if ((block[at + RECORD + (i >> 3)] >> (i & 7)) & 1) positions.push(a + i);
    const isRun = [Kind.append, Kind.readRun, Kind.evictRun].includes(kind);
    if (isRun) for (let p = a; p < a + b; p++) positions.push(p);
    out.push({ kind, layer: block[at + 1], head: block[at + 2], a, b, positions });
    at += RECORD + payload;
  }
  return out;
}
