/** What the article says of each method of the registry, from the heads of its source files. */

export interface Section {
  keeps: string;
  reads: string;
  /** What else it changes. */
  changes?: string;
  limits: string;
  /** Folders of vectors from another implementation, which the tests of this project compare with. */
  golden: readonly string[];
  /** Code that was read, at the commit that was read; the address is that of GitHub. */
  code?: readonly [repository: string, commit: string];
  /** Where there is no published code to compare with, or less than all of it. */
  proviso?: string;
}

const ALL = 'Everything that is kept, in every head.';
const PROMPT_ONLY =
  'The prompt is compressed once, before the answer is known; everything that is written is kept, so the cache grows on.';

export const SECTIONS: Readonly<Record<string, Section>> = {
  full: {
    keeps: 'Every token, in every layer and head.',
    reads: 'Every token, in every layer and head.',
    limits: 'Memory and the time of a step grow with the text. It is the yardstick of the others.',
    golden: ['real_model'],
  },
  streaming_llm: {
    keeps: 'A few first tokens, the attention sinks, and a window of the newest.',
    reads: ALL,
    changes:
      'Keys are rotated by their slot in the cache and not by their place in the text, so distances never grow beyond the cache.',
    limits: 'What leaves the window is gone, whatever it said: a fact from the middle of a text cannot be asked for.',
    golden: ['streamingllm_prefill', 'streamingllm_decode', 'streamingllm_space'],
    code: ['mit-han-lab/streaming-llm', '2e50426'],
  },
  h2o: {
    keeps:
      'In each KV head, the tokens with the largest sum of attention so far, the heavy hitters, and the newest ones.',
    reads: ALL,
    limits:
      'What nobody has looked at yet counts as unimportant. Sums favour early tokens, which more queries have seen.',
    golden: ['h2o_decode_drop', 'h2o_decode_masked', 'h2o_prefill_kvfactory', 'h2o_prefill_scope'],
    code: ['FMInference/H2O', 'ac75c2a'],
    proviso: 'The published code has no grouped heads; here the scores of a group are summed.',
  },
  tova: {
    keeps:
      'As many tokens as its budget; at each step the one that the newest query looks at least leaves, in all heads at once.',
    reads: ALL,
    limits: 'One query decides, so what matters only later may leave now.',
    golden: ['kvpress_scores'],
    code: ['NVIDIA/kvpress', '8bb29b9'],
  },
  snap_kv: {
    keeps: 'Of the prompt, what its last tokens look at, and those last tokens; all that is written.',
    reads: ALL,
    limits: `${PROMPT_ONLY} A prompt that ends with the question flatters it: the question then chooses.`,
    golden: ['snapkv_prefill', 'snapkv_kvhead_prefill'],
    code: ['FasterDecoding/SnapKV', 'e216ddc'],
  },
  pyramid_kv: {
    keeps: 'As SnapKV, with more room in the lower layers than in the upper ones.',
    reads: ALL,
    limits: PROMPT_ONLY,
    golden: ['pyramidkv_prefill_kvfactory', 'pyramidkv_prefill_scope', 'kvpress_pyramid_budget'],
    code: ['Zefan-Cai/KVCache-Factory', 'c97f9d7'],
  },
  ada_kv: {
    keeps:
      'As SnapKV, but the heads of a layer compete for the budget: one with few important tokens gives room to others.',
    reads: ALL,
    limits: PROMPT_ONLY,
    golden: ['adakv_prefill'],
    code: ['Zefan-Cai/KVCache-Factory', 'c97f9d7'],
  },
  l2_norm: {
    keeps: 'Of the prompt, the keys of smallest norm; the first two layers keep all of it.',
    reads: ALL,
    limits: 'It looks at no attention at all, and may drop the newest tokens of the prompt.',
    golden: ['l2norm_prefill'],
    code: ['Zefan-Cai/KVCache-Factory', 'c97f9d7'],
  },
  observed_attention: {
    keeps: 'Of the prompt, the tokens with the largest mean attention over the queries that could see them.',
    reads: ALL,
    limits: 'The newest tokens of the prompt were seen by few queries, and compete like all others.',
    golden: ['kvpress_scores'],
    code: ['NVIDIA/kvpress', '8bb29b9'],
    proviso: 'There is no paper.',
  },
  scope: {
    keeps:
      'A compressed prompt, frozen when the answer begins, and of the answer heavy hitters and a window, in a pool of its own.',
    reads: ALL,
    limits:
      'What the prompt lost is lost for the whole answer; the pool of the answer is chosen by the newest query alone.',
    golden: ['scope_slide', 'scope_adaptive', 'scope_discontinuous', 'scope_base_h2o', 'scope_base_slm'],
    code: ['Linking-ai/SCOPE', '8cbae48'],
  },
  look_m: {
    keeps: 'All text, the picture tokens with most attention, and the newest tokens of the prompt.',
    reads: ALL,
    changes: 'A picture token that is dropped is merged into the kept key it is most like.',
    limits:
      'A prompt without pictures is kept whole. The model of this page sees no pictures, so here it changes nothing.',
    golden: ['lookm', 'lookm_paper_gqa'],
    code: ['SUSTechBruce/LOOK-M', 'ecf0f51'],
  },
  tidal_decode: {
    keeps: 'Everything.',
    reads:
      'The layers at the bottom and two that choose read everything; each of the others reads the tokens that the last one chose. On the map the two are ringed.',
    limits: 'It saves reading and no memory. Which layer is good to choose again depends on the model.',
    golden: ['tidaldecode'],
    code: ['DerrickYLJ/TidalDecode', 'd67a1bd'],
    proviso: 'The correction of keys is in the paper and in no published code.',
  },
  quest: {
    keeps: 'Everything.',
    reads:
      'The pages of 16 tokens whose keys could score highest, by the smallest and largest value of each component, and the newest tokens. The first two layers read everything.',
    limits: 'A bound is no score: a page may be read in vain, and one with a single good key may be missed.',
    golden: ['quest_pages'],
    code: ['Zefan-Cai/KVCache-Factory', 'c97f9d7'],
    proviso: 'The authors’ own repository was not read.',
  },
  flex_prefill: {
    keeps: 'Everything.',
    reads:
      'Of the prompt, in each head the blocks that cover most of the attention of its last queries; after it, everything.',
    limits: 'It makes reading a long prompt cheaper and nothing else. The last queries speak for all before them.',
    golden: ['flexprefill'],
    code: ['bytedance/FlexPrefill', 'a24b27b'],
  },
  star_attention: {
    keeps: 'Everything, on several hosts a share each.',
    reads:
      'The context in blocks that see themselves and the beginning, the anchor; question and answer see all of it.',
    limits: 'What one block says about another is not seen while the context is read.',
    golden: ['star_attention'],
    code: ['NVIDIA/Star-Attention', 'c61059f'],
  },
  round_attention: {
    keeps: 'Everything; above one layer, the rounds that were not chosen in a far tier.',
    reads:
      'Up to that layer everything; above it, the rounds that got most of the newest question’s attention, and the current one.',
    limits:
      'Only several rounds give it a choice: begin a conversation. A far tier is counted here in bytes and not slower, as it would be.',
    golden: ['round_attention'],
    proviso:
      'There is no published code. The formulas are this project’s, and so are the vectors, from a second implementation.',
  },
  quant_spec: {
    keeps: 'Everything; older rows in two planes of 4 bits instead of 16.',
    reads: 'Guesses read the upper plane alone; the check of them reads both.',
    changes: 'Several tokens are guessed and checked in one pass, and the text is that of the 8-bit cache.',
    limits: 'It pays where guesses hold and where reading is what a step costs.',
    golden: ['quantspec_quant', 'quantspec_cache', 'quantspec_attn', 'quantspec_accept', 'quantspec_spec'],
    code: ['rishabh-16/QuantSpec', 'b2c3747'],
    proviso: 'The official repository only announces code; this one is another.',
  },
  fifo: {
    keeps: 'The newest tokens, as a queue.',
    reads: ALL,
    limits: 'Without the first tokens, which many heads look at whatever they say, a text soon falls apart.',
    golden: ['policy_fifo'],
    proviso: 'A classic rule of caches; there is no paper.',
  },
  lru: {
    keeps: 'The tokens that got more than their even share of attention most recently.',
    reads: ALL,
    limits: 'What counts as a use is a threshold, and not how much.',
    golden: ['policy_lru'],
    proviso: 'A classic rule of caches; there is no paper.',
  },
  lfu: {
    keeps: 'The tokens that were used most often.',
    reads: ALL,
    limits: 'Old tokens have had more time to be used.',
    golden: ['policy_lfu'],
    proviso: 'A classic rule of caches; there is no paper.',
  },
  importance: {
    keeps: 'The tokens with the largest sum of attention, older attention counting less where a decay is set.',
    reads: ALL,
    limits: 'As H2O, without a window of its own.',
    golden: ['policy_importance'],
    proviso: 'A rule of this project; there is no paper.',
  },
};
