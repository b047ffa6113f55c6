/**
 * A llama with random weights as a model file: two layers, ids are bytes. What it writes is noise, the same every time;
 * what loads it, runs. `tests/common/tiny.rs` is its like for native tests.
 */
const [LAYERS, WIDTH, HIDDEN, HEADS, KV_HEADS, VOCABULARY] = [2, 64, 96, 4, 2, 257];
const KV_WIDTH = (WIDTH / HEADS) * KV_HEADS;

/** @returns {Buffer} a GGUF file of version 3 */
export function tinyModel() {
  const tokens = [...letters(), '<|end|>'];
  const metadata = [
    ['general.architecture', text('llama')],
    ['general.name', text('tiny')],
    ['llama.block_count', u32(LAYERS)],
    ['llama.embedding_length', u32(WIDTH)],
    ['llama.feed_forward_length', u32(HIDDEN)],
    ['llama.attention.head_count', u32(HEADS)],
    ['llama.attention.head_count_kv', u32(KV_HEADS)],
    ['llama.attention.layer_norm_rms_epsilon', f32(1e-5)],
    ['llama.context_length', u32(1024)],
    ['llama.rope.freq_base', f32(10_000)],
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('smollm')],
    ['tokenizer.ggml.tokens', list(8, tokens.map(string))],
    [
      'tokenizer.ggml.token_type',
      list(
        5,
        tokens.map((_, id) => int(id < 256 ? 1 : 3)),
      ),
    ],
    ['tokenizer.ggml.merges', list(8, [])],
    ['tokenizer.ggml.eos_token_id', u32(256)],
  ];
  const tensors = [
    ['token_embd', [WIDTH, VOCABULARY], 1, 0],
    ['output_norm', [WIDTH], 0.1, 1],
    // Of its own: with the embedding's rows every token would propose itself.
    ['output', [WIDTH, VOCABULARY], 1, 0],
    ...Array.from({ length: LAYERS }, (_, layer) =>
      [
        ['attn_norm', [WIDTH], 0.1, 1],
        ['ffn_norm', [WIDTH], 0.1, 1],
        ['attn_q', [WIDTH, WIDTH], 0.15, 0],
        ['attn_k', [WIDTH, KV_WIDTH], 0.15, 0],
        ['attn_v', [WIDTH, KV_WIDTH], 0.15, 0],
        ['attn_output', [WIDTH, WIDTH], 0.15, 0],
        ['ffn_gate', [WIDTH, HIDDEN], 0.15, 0],
        ['ffn_up', [WIDTH, HIDDEN], 0.15, 0],
        ['ffn_down', [HIDDEN, WIDTH], 0.15, 0],
      ].map(([name, ...rest]) => [`blk.${layer}.${name}`, ...rest]),
    ).flat(),
  ];
  let seed = 11;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (2 * seed) / 2 ** 32 - 1;
  };
  const data = tensors.map(([, dims, scale, mean]) => {
    const numbers = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => mean + scale * random());
    return Buffer.from(numbers.buffer);
  });
  let at = 0;
  const infos = tensors.map(([name, dims], index) => {
    const offset = at;
    at += data[index].length;
    return [string(`${name}.weight`), int(dims.length), ...dims.map(long), int(0), long(offset)];
  });
  const head = [
    Buffer.from('GGUF'),
    int(3),
    long(tensors.length),
    long(metadata.length),
    ...metadata.flatMap(([key, value]) => [string(key), value]),
    ...infos.flat(),
  ];
  const length = head.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...head, Buffer.alloc((32 - (length % 32)) % 32), ...data]);
}

/** The letters that byte-level BPE writes bytes with, by byte. */
function letters() {
  const printed = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let other = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printed(byte) ? byte : other++));
}

function int(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
function long(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
function float(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
function string(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}
const u32 = (value) => Buffer.concat([int(4), int(value)]);
const f32 = (value) => Buffer.concat([int(6), float(value)]);
const text = (value) => Buffer.concat([int(8), string(value)]);
const list = (type, items) => Buffer.concat([int(9), int(type), long(items.length), ...items]);
