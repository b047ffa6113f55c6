// From times to speeds, and the table.

/** Middle of the sorted values; of two middles the mean. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * `times`: the start, then the arrival of each token. Prefill is all up to the first token, decode the rest. Runtimes
 * that time themselves hand their speeds over.
 */
export function speeds({ times, ids, prefill_tps, decode_tps }, promptTokens, decode) {
  if (!times) return { prefill_tps, decode_tps, ids };
  const tokens = times.length - 1;
  if (tokens !== decode) throw new Error(`${tokens} tokens came instead of ${decode}`);
  const seconds = (from, to) => (times[to] - times[from]) / 1000;
  return { prefill_tps: promptTokens / seconds(0, 1), decode_tps: (tokens - 1) / seconds(1, tokens), ids };
}

/** A table a case; ratios are ours to theirs in the same place: browser to browser, native to native. */
export function table(cases, names) {
  const lines = [];
  for (const entry of cases) {
    lines.push('', `${entry.prompt_tokens} prompt tokens, one thread`.padEnd(34) + 'prefill   decode  tokens/s   wasm MB  same text');
    for (const name of names) {
      const { prefill_tps, decode_tps, peak_wasm_bytes, ids } = entry[name];
      const memory = peak_wasm_bytes ? (peak_wasm_bytes / 1e6).toFixed(0) : '–';
      const cells = [prefill_tps.toFixed(1).padStart(9), decode_tps.toFixed(1).padStart(9)];
      lines.push(`  ${name.padEnd(29)}${cells.join('')}${memory.padStart(20)}  ${same(ids, entry.llama_cpp_native?.ids).padStart(9)}`);
    }
    for (const [ours, theirs] of [['attnscope', 'wllama'], ['attnscope_native', 'llama_cpp_native']]) {
      if (!entry[ours] || !entry[theirs]) continue;
      const ratio = (field) => `${(entry[ours][field] / entry[theirs][field]).toFixed(2)}x`.padStart(9);
      lines.push(`  ${`${ours} / ${theirs}`.padEnd(29)}${ratio('prefill_tps')}${ratio('decode_tps')}`);
    }
  }
  return lines.join('\n');
}

/** How many first tokens are those of llama.cpp: near-ties fall differently, a wrong model differs at once. */
function same(ids, reference) {
  if (!ids || !reference) return '–';
  const differs = ids.findIndex((id, at) => id !== reference[at]);
  return `${differs < 0 ? ids.length : differs}/${reference.length}`;
}
