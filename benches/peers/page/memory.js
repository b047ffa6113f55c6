// How much memory a worker's wasm has: every Worker made after `watch()` is started through a script that first
// keeps each WebAssembly.Memory it sees, imported or exported. Wasm memory never shrinks, so its size is its peak.
const PRELUDE = `
const memories = new Set();
const keep = (value) => { if (value instanceof WebAssembly.Memory) memories.add(value); };
for (const name of ['instantiate', 'instantiateStreaming']) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (source, imports) => {
    const made = await original(source, imports);
    Object.values(imports ?? {}).forEach((module) => Object.values(module).forEach(keep));
    Object.values((made.instance ?? made).exports).forEach(keep);
    return made;
  };
}
const channel = new BroadcastChannel('wasm-memory');
channel.onmessage = ({ data }) => {
  if (data === NAME) channel.postMessage({ name: NAME, bytes: [...memories].reduce((sum, m) => sum + m.buffer.byteLength, 0) });
};
`;

const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));

// Taken once: a watch wrapped around another would start the second's workers with both preludes.
const Plain = globalThis.Worker;

/** Returns a function that asks for the bytes of the workers made from now on under this name. */
export function watch(name) {
  const prelude = script(PRELUDE.replaceAll('NAME', JSON.stringify(name)));
  globalThis.Worker = class extends Plain {
    constructor(source, options) {
      const url = JSON.stringify(new URL(source, location.href).href);
      const first = JSON.stringify(prelude);
      const module = options?.type === 'module';
      super(script(module ? `import ${first}; import ${url};` : `importScripts(${first}, ${url});`), options);
    }
  };
  return async () => {
    const channel = new BroadcastChannel('wasm-memory');
    const answer = new Promise((resolve) => {
      channel.onmessage = ({ data }) => data.name === name && resolve(data.bytes);
      setTimeout(resolve, 5000, null);
    });
    channel.postMessage(name);
    return answer.finally(() => channel.close());
  };
}
