/** Trace files for tests: histories, files by hand, and what a reader makes of them. */
import { AttnscopeError } from '../src/errors.js';
import { History, readTraceFile } from '../src/trace.js';
import { SHAPE } from './acts.js';
import { concat } from './blocks.js';

export function historyOf(blocks: readonly Uint8Array[]): History {
  const history = new History(SHAPE, { every: 4 });
  for (const block of blocks) {
    history.add(block);
    history.close();
  }
  return history;
}

/** A file is a run in which every step can be shown, or a typed error. Gives the code. */
export async function opens(bytes: Uint8Array): Promise<string> {
  try {
    const run = await readTraceFile(bytes);
    for (const { steps, history, hosts = [history] } of run.tracks)
      for (const host of hosts) for (const [i] of steps.entries()) await host.seek(i);
    return 'read';
  } catch (thrown) {
    if (!(thrown instanceof AttnscopeError)) throw thrown;
    return thrown.code;
  }
}

export function header(steps: number) {
  const token = { id: 1, text: 'a' };
  return {
    model: { name: 'tiny', ...SHAPE, headDim: 64 },
    prompt: Array(700).fill(token),
    settings: {},
    tracks: [{ method: 'full', title: 'Full', params: {}, tokensPerSecond: null, steps: Array(steps).fill(token) }],
  };
}

/** A file by hand, nothing compressed. */
export function file(json: unknown, ...sections: Uint8Array[]): Uint8Array {
  const start = Uint8Array.of(0x89, 0x41, 0x54, 0x4e, 0x0d, 0x0a, 0x1a, 0x0a, 1, 0, 0, 0);
  const all = [new TextEncoder().encode(JSON.stringify(json)), ...sections];
  return concat([start, ...all.flatMap((s) => [u32(s.length), u32(s.length), s])]);
}

export function u32(n: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(n).buffer);
}
