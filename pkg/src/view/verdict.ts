import { countBits } from '../bits.js';
import type { CacheView } from '../trace/cache-view.js';
import { type Facts, NO_FACTS } from '../trace/facts.js';
import { bytes, count, percent, plural } from './format.js';
import { churnOf, type LayerRole, rolesOf } from './layers.js';
import { type Blocks, promptBlocks, type Rounds, roundsOf } from './prompts.js';
import { say } from './words.js';

/** What the trace says of the run up to its newest pass, in numbers. */
export interface Summary {
  /** Positions of text so far. */
  length: number;
  layers: number;
  /** Rows read by the newest query over the positions there are, mean over layers and query heads. */
  readShare: number;
  /** Rows read by the newest query, mean over layers and query heads. */
  readRows: number;
  /** Rows stored, mean over layers and KV heads. */
  keptRows: number;
  /** Those of them that are of the prompt, and those that are not. */
  promptRows: number;
  writtenRows: number;
  /** Layers in which every head reads every position. */
  denseLayers: number;
  /** What each layer reads of what it stores. */
  roles: readonly LayerRole[];
  /** Share of the chosen reads that is new since the pass before; null where there is none to compare with. */
  churn: number | null;
  /** Layers that dropped something since the beginning. */
  evictingLayers: number;
  /** Rows dropped since the beginning, over all layers and KV heads. */
  evictedRows: number;
  /** Rows in the cache that are in 4-bit planes, in the far tier, and that others were added to. */
  quantisedRows: number;
  parkedRows: number;
  mergedRows: number;
  /** How the prompt was read, if not as a whole. */
  blocks: Blocks | null;
  rounds: Rounds | null;
  facts: Facts;
}

/** `facts` are those of the step that the view shows; without them, what is past counts as not having happened. */
export function summarise(view: CacheView, facts: Facts = NO_FACTS): Summary | null {
  const { layers, queryHeads, kvHeads } = view.shape;
  const length = view.length;
  if (length === 0) return null;
  let read = 0;
  let stored = 0;
  let evictedRows = 0;
  let denseLayers = 0;
  let evictingLayers = 0;
  for (let layer = 0; layer < layers; layer++) {
    let dense = true;
    for (let head = 0; head < queryHeads; head++) {
      const n = view.readCount(layer, head);
      read += n;
      if (n < length) dense = false;
    }
    let gone = 0;
    for (let head = 0; head < kvHeads; head++) {
      stored += view.storedRows[layer * kvHeads + head];
      gone += view.evictedRows[layer * kvHeads + head];
    }
    if (dense) denseLayers++;
    if (gone > 0) evictingLayers++;
    evictedRows += gone;
  }
  const readRows = read / (layers * queryHeads);
  const keptRows = stored / (layers * kvHeads);
  const promptRows = view.storedBelow(facts.prompt) / (layers * kvHeads);
  return {
    length,
    layers,
    readShare: readRows / length,
    readRows,
    keptRows,
    promptRows,
    writtenRows: keptRows - promptRows,
    denseLayers,
    roles: rolesOf(view),
    churn: churnOf(view),
    evictingLayers,
    evictedRows,
    quantisedRows: countBits(view.quantised, 0, view.quantised.length),
    parkedRows: countBits(view.parked, 0, view.parked.length),
    mergedRows: countBits(view.merged, 0, view.merged.length),
    blocks: promptBlocks(facts),
    rounds: roundsOf(view, facts),
    facts,
  };
}

/** One line for a panel. It names no method: it says what the records say. */
export function verdict(s: Summary | null): string {
  if (!s) return say('Nothing has run yet.');
  return [...prompt(s), ...guesses(s), reads(s), keeps(s), ...changes(s), ...watched(s)].join(' ');
}

function prompt({ blocks, facts }: Summary): string[] {
  const said: string[] = [];
  if (facts.blocksThere > 0) {
    said.push(say('Prefill computed {share} of blocks.', { share: percent(facts.blocksRead / facts.blocksThere) }));
  }
  if (blocks) {
    const values = { n: count(blocks.count), size: count(blocks.size), anchor: count(blocks.anchor) };
    said.push(say('Prompt in {n} blocks of {size} + anchor {anchor}.', values));
  }
  return said;
}

function guesses({ facts }: Summary): string[] {
  if (facts.guessed === 0) return [];
  const values = { n: count(facts.held), guesses: plural(facts.guessed, 'guess', 'guesses') };
  return facts.upperPlane
    ? [say('Accepted {n} of {guesses}, made from the upper plane alone.', values)]
    : [say('Accepted {n} of {guesses}.', values)];
}

function reads(s: Summary): string {
  if (s.denseLayers === s.layers) return say('Reads all {n} positions in every head.', { n: count(s.length) });
  const positions = plural(s.length, 'position');
  const share = say('Reads {share} of {positions}', { share: percent(s.readShare), positions });
  if (s.rounds) {
    const { layer, rounds } = s.rounds;
    const values = { n: rounds.filter(({ read }) => read).length, rounds: plural(rounds.length, 'round'), layer };
    return `${share}: ${say('{n} of {rounds} above layer {layer}.', values)}`;
  }
  const of = (role: LayerRole) => s.roles.flatMap((found, layer) => (found === role ? [layer] : []));
  const [choosing, reusing] = [of('chooses'), of('reuses').length];
  if (choosing.length > 0) {
    const layers = listed(choosing);
    const who =
      choosing.length === 1 ? say('layer {layers} chooses', { layers }) : say('layers {layers} choose', { layers });
    const others = plural(reusing, 'reuses', 'reuse');
    const churn = s.churn === null ? '' : say(', {share} of it new', { share: percent(s.churn) });
    return `${share}: ${who}; ${others}${churn}.`;
  }
  if (s.denseLayers === 0) return `${share}, ${say('{n} a head.', { n: count(s.readRows) })}`;
  const rest = s.layers - s.denseLayers;
  const values = { layers: plural(s.denseLayers, 'layer'), n: count(rest) };
  return `${share}: ${say('{layers} read everything, {n} a selection.', values)}`;
}

function listed(numbers: readonly number[]): string {
  const [some, last] = [numbers.slice(0, -1).join(', '), numbers.at(-1) ?? ''];
  return some === '' ? String(last) : say('{some} and {last}', { some, last });
}

function keeps(s: Summary): string {
  if (s.evictedRows === 0) return say('Keeps everything.');
  const where =
    s.evictingLayers === s.layers
      ? say('all {n} layers', { n: count(s.layers) })
      : say('{n} of {layers} layers', { n: s.evictingLayers, layers: s.layers });
  const parts = { prompt: count(s.promptRows), decode: count(s.writtenRows) };
  const pools = s.facts.prompt > 0 ? say(' (prompt {prompt}, decode {decode})', parts) : '';
  const values = { share: percent(s.keptRows / s.length), pools, rows: plural(s.evictedRows, 'row'), where };
  return say('Keeps {share}{pools}: {rows} dropped in {where}.', values);
}

function changes({ quantisedRows, parkedRows, mergedRows, facts }: Summary): string[] {
  return [
    quantisedRows > 0 && say('{rows} in 4-bit planes.', { rows: plural(quantisedRows, 'row') }),
    parkedRows > 0 && say('{rows} parked in the far tier.', { rows: plural(parkedRows, 'row') }),
    mergedRows > 0 && merged(plural(mergedRows, 'row'), facts.folds),
    facts.corrected > 0 && say('{rows} computed anew.', { rows: plural(facts.corrected, 'row') }),
    facts.hosts > 1 && say('Spread over {n} hosts: {bytes} sent.', { n: count(facts.hosts), bytes: bytes(facts.sent) }),
  ].filter((line) => line !== false);
}

function merged(rows: string, folds: number): string {
  if (folds === 0) return say('Others were merged into {rows}.', { rows });
  return say('{n} were merged into {rows}.', { n: count(folds), rows });
}

function watched({ facts }: Summary): string[] {
  const { shadow, trips } = facts;
  return [
    shadow !== null && say('Got {share} of the full attention.', { share: percent(shadow.recall) }),
    trips.length > 0 && say('A guard took over at token {n}.', { n: count(trips[0].step + 1) }),
  ].filter((line) => line !== false);
}
