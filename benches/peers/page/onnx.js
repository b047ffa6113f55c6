// An ONNX model of one GroupQueryAttention node, written as protobuf by hand: field numbers are those of onnx.proto.
const [FLOAT, INT32] = [1, 6];

const varint = (n) => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))]);
const join = (parts) => {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
};
const number = (field, n) => Uint8Array.from([...varint(field * 8), ...varint(n)]);
const bytes = (field, value) => {
  const data = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return join([Uint8Array.from([...varint(field * 8 + 2), ...varint(data.length)]), data]);
};
const message = (field, ...parts) => bytes(field, join(parts));

const integer = (name, value) => message(5, bytes(1, name), number(3, value), number(20, 2));
const value = (field, { name, type, dims }) => {
  const shape = message(2, ...dims.map((dim) => message(1, number(1, dim))));
  return message(field, bytes(1, name), message(2, message(1, number(1, type), shape)));
};
const constant = ({ name, type, dims, data }) => {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(5, ...dims.map((dim) => number(1, dim)), number(2, type), bytes(8, name), bytes(9, raw));
};

/**
 * A model that attends from one new token. `past` rows are there already, in buffers with room for `room`. Keys and
 * values are constants of the model when they are given, otherwise inputs, and then also outputs.
 */
export function groupQueryAttention({ queryHeads, kvHeads, headDim, past, room, keys, values }) {
  const row = (name, heads) => ({ name, type: FLOAT, dims: [1, 1, heads * headDim] });
  const rows = (name, slots, data) => ({ name, type: FLOAT, dims: [1, kvHeads, slots, headDim], data });
  const pasts = [rows('past_key', room, keys), rows('past_value', room, values)];
  const counts = [
    { name: 'seqlens_k', type: INT32, dims: [1], data: Int32Array.of(past) },
    { name: 'total_sequence_length', type: INT32, dims: [], data: Int32Array.of(past + 1) },
  ];
  const inputs = [row('query', queryHeads), row('key', kvHeads), row('value', kvHeads)];
  const presents = ['present_key', 'present_value'].map((name) => rows(name, Math.max(room, past + 1)));
  const outputs = [row('output', queryHeads), ...presents];
  const node = message(
    1,
    ...[...inputs, ...pasts, ...counts].map(({ name }) => bytes(1, name)),
    ...outputs.map(({ name }) => bytes(2, name)),
    bytes(4, 'GroupQueryAttention'),
    integer('num_heads', queryHeads),
    integer('kv_num_heads', kvHeads),
    bytes(7, 'com.microsoft'),
  );
  const fixed = keys ? [...pasts, ...counts] : counts;
  const given = keys ? inputs : [...inputs, ...pasts];
  const graph = message(
    7,
    node,
    bytes(2, 'step'),
    ...fixed.map(constant),
    ...given.map((input) => value(11, input)),
    ...(keys ? outputs.slice(0, 1) : outputs).map((output) => value(12, output)),
  );
  const opset = (domain, version) => message(8, bytes(1, domain), number(2, version));
  return join([number(1, 8), opset('', 17), opset('com.microsoft', 1), graph]);
}
