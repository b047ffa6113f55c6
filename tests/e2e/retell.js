import { count, percent, plural } from 'attnscope/view';
import { tell } from './facts.js';
import { replay } from './replay.js';

/**
 * The line under a map, written again from the bytes of a trace. Of the package it takes how numbers are written, and
 * nothing of what they are.
 * @param {{ layers: number, queryHeads: number, kvHeads: number }} info
 * @param {Uint8Array[]} steps
 */
export function retell(info, steps) {
  const [facts, cache] = [tell(info, steps), replay(info, steps)];
  return [...prompt(facts), ...reads(info, facts, cache), keeps(info, facts, cache), ...changes(facts, cache)].join(
    ' ',
  );
}

function prompt({ blocksRead, blocksThere, star, guessed, held, upperPlane }) {
  const how = upperPlane ? ', made from the upper plane alone' : '';
  return [
    blocksThere > 0 && `Prefill computed ${percent(blocksRead / blocksThere)} of blocks.`,
    star.anchor > 0 && `Prompt in ${count(star.count)} blocks of ${count(star.size)} + anchor ${count(star.anchor)}.`,
    guessed > 0 && `Accepted ${count(held)} of ${plural(guessed, 'guess', 'guesses')}${how}.`,
  ].filter(Boolean);
}

function reads({ layers, queryHeads }, { choosing, reusing, rounds }, cache) {
  const { length, readRows, chosenRows, freshRows } = cache;
  const dense = Array.from({ length: layers }, (_, layer) => layer).filter((layer) =>
    Array.from({ length: queryHeads }, (_, head) => cache.readsOf(layer, head)).every((rows) => rows >= length),
  ).length;
  if (dense === layers) return [`Reads all ${count(length)} positions in every head.`];
  const each = readRows / (layers * queryHeads);
  const share = `Reads ${percent(each / length)} of ${plural(length, 'position')}`;
  if (rounds) return [`${share}: ${count(rounds.read)} of ${plural(rounds.all, 'round')} above layer ${rounds.layer}.`];
  if (choosing.length > 0) {
    const who =
      choosing.length === 1
        ? `layer ${choosing[0]} chooses`
        : `layers ${choosing.slice(0, -1).join(', ')} and ${choosing.at(-1)} choose`;
    const fresh = chosenRows > 0 ? `, ${percent(freshRows / chosenRows)} of it new` : '';
    return [`${share}: ${who}; ${count(reusing)} reuse${reusing === 1 ? 's' : ''}${fresh}.`];
  }
  if (dense === 0) return [`${share}, ${count(each)} a head.`];
  return [`${share}: ${plural(dense, 'layer')} read everything, ${count(layers - dense)} a selection.`];
}

function keeps({ layers, kvHeads }, { promptRows, writtenRows }, cache) {
  if (cache.evictedRows === 0) return 'Keeps everything.';
  const evicting = cache.evictingLayers;
  const where = evicting === layers ? `all ${count(layers)} layers` : `${evicting} of ${layers} layers`;
  const share = percent(cache.storedRows / (layers * kvHeads) / cache.length);
  const pools = `(prompt ${count(promptRows)}, decode ${count(writtenRows)})`;
  return `Keeps ${share} ${pools}: ${plural(cache.evictedRows, 'row')} dropped in ${where}.`;
}

function changes({ folds, corrected }, { quantisedRows, parkedRows, mergedRows }) {
  return [
    quantisedRows > 0 && `${plural(quantisedRows, 'row')} in 4-bit planes.`,
    parkedRows > 0 && `${plural(parkedRows, 'row')} parked in the far tier.`,
    mergedRows > 0 && `${count(folds)} were merged into ${plural(mergedRows, 'row')}.`,
    corrected > 0 && `${plural(corrected, 'row')} computed anew.`,
  ].filter(Boolean);
}
