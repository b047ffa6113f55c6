import { countBits } from '../bits.js';
import type { CacheView } from '../trace/cache-view.js';
import { type Facts, NO_FACTS } from '../trace/facts.js';
import { bytes, count, percent, plural } from './format.js';
import { churnOf, type LayerRole, rolesOf } from './layers.js';
import { type Blocks, promptBlocks, type Rounds, roundsOf } from './prompts.js';

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
  if (!s) return 'Nothing has run yet.';
  return [...prompt(s), ...guesses(s), reads(s), keeps(s), ...changes(s), ...watched(s)].join(' ');
}

function prompt({ blocks, facts }: Summary): string[] {
  const said: string[] = [];
  if (facts.blocksThere > 0) said.push(`Prefill computed ${percent(facts.blocksRead / facts.blocksThere)} of blocks.`);
  if (blocks)
    said.push(`Prompt in ${count(blocks.count)} blocks of ${count(blocks.size)} + anchor ${count(blocks.anchor)}.`);
  return said;
}

function guesses({ facts }: Summary): string[] {
  if (facts.guessed === 0) return [];
  const how = facts.upperPlane ? ', made from the upper plane alone' : '';
  return [`Accepted ${count(facts.held)} of ${plural(facts.guessed, 'guess', 'guesses')}${how}.`];
}

function reads(s: Summary): string {
  if (s.denseLayers === s.layers) return `Reads all ${count(s.length)} positions in every head.`;
  const share = `Reads ${percent(s.readShare)} of ${plural(s.length, 'position')}`;
  if (s.rounds) {
    const { layer, rounds } = s.rounds;
    return `${share}: ${rounds.filter(({ read }) => read).length} of ${plural(rounds.length, 'round')} above layer ${layer}.`;
  }
  const of = (role: LayerRole) => s.roles.flatMap((found, layer) => (found === role ? [layer] : []));
  const [choosing, reusing] = [of('chooses'), of('reuses').length];
  if (choosing.length > 0) {
    const who = `${choosing.length === 1 ? 'layer' : 'layers'} ${listed(choosing)} ${choosing.length === 1 ? 'chooses' : 'choose'}`;
    const churn = s.churn === null ? '' : `, ${percent(s.churn)} of it new`;
    return `${share}: ${who}; ${count(reusing)} reuse${reusing === 1 ? 's' : ''}${churn}.`;
  }
  if (s.denseLayers === 0) return `${share}, ${count(s.readRows)} a head.`;
  const rest = s.layers - s.denseLayers;
  return `${share}: ${plural(s.denseLayers, 'layer')} read everything, ${count(rest)} a selection.`;
}

function listed(numbers: readonly number[]): string {
  return [numbers.slice(0, -1).join(', '), ...numbers.slice(-1)].filter((part) => part !== '').join(' and ');
}

function keeps(s: Summary): string {
  if (s.evictedRows === 0) return 'Keeps everything.';
  const where =
    s.evictingLayers === s.layers ? `all ${count(s.layers)} layers` : `${s.evictingLayers} of ${s.layers} layers`;
  const pools = s.facts.prompt > 0 ? ` (prompt ${count(s.promptRows)}, decode ${count(s.writtenRows)})` : '';
  return `Keeps ${percent(s.keptRows / s.length)}${pools}: ${plural(s.evictedRows, 'row')} dropped in ${where}.`;
}

function changes({ quantisedRows, parkedRows, mergedRows, facts }: Summary): string[] {
  return [
    quantisedRows > 0 && `${plural(quantisedRows, 'row')} in 4-bit planes.`,
    parkedRows > 0 && `${plural(parkedRows, 'row')} parked in the far tier.`,
    mergedRows > 0 &&
      `${facts.folds > 0 ? count(facts.folds) : 'Others'} were merged into ${plural(mergedRows, 'row')}.`,
    facts.corrected > 0 && `${plural(facts.corrected, 'row')} computed anew.`,
    facts.hosts > 1 && `Spread over ${count(facts.hosts)} hosts: ${bytes(facts.sent)} sent.`,
  ].filter((line) => line !== false);
}

function watched({ facts }: Summary): string[] {
  const { shadow, trips } = facts;
  return [
    shadow !== null && `Got ${percent(shadow.recall)} of the full attention.`,
    trips.length > 0 && `A guard took over at token ${count(trips[0].step + 1)}.`,
  ].filter((line) => line !== false);
}
