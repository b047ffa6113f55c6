/** Writes trace files; their format is said where they are read. */
import { AttnscopeError } from '../errors.js';
import { join } from '../join.js';
import { canCompress, deflate } from './compress.js';
import { MAGIC, MAX_SECTION, START, STEPS, VERSION } from './file.js';
import type { History } from './history.js';
import { historiesOf, type TraceHeader, type TraceRun } from './run.js';

/** The bytes of a trace file. Throws `trace` when a history has lost its oldest steps to its limit. */
export async function writeTraceFile({ tracks, ...run }: TraceRun): Promise<Uint8Array> {
  const header: TraceHeader = {
    ...run,
    tracks: tracks.map(({ history, hosts, ...track }) => {
      const { length } = historiesOf({ history, hosts });
      return length > 1 ? { ...track, hosts: length } : track;
    }),
  };
  const start = new Uint8Array(START);
  start.set(MAGIC);
  new DataView(start.buffer).setUint32(MAGIC.length, VERSION, true);
  const parts = [start, ...(await section(new TextEncoder().encode(JSON.stringify(header))))];
  for (const track of tracks) {
    for (const history of historiesOf(track)) parts.push(...(await sections(history, track.steps.length)));
  }
  return join(parts);
}

/** One for every 32 of so many steps. */
async function sections(history: History, steps: number): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for (let first = 0; first < steps; first += STEPS) {
    const blocks: Uint8Array[] = [];
    for (let step = first; step < Math.min(first + STEPS, steps); step++) {
      const block = await history.block(step);
      blocks.push(u32(block.length), block);
    }
    parts.push(...(await section(join(blocks))));
  }
  return parts;
}

async function section(bytes: Uint8Array): Promise<Uint8Array[]> {
  if (bytes.length > MAX_SECTION) throw new AttnscopeError('trace', 'This run is too long for a trace file.');
  const packed = canCompress() ? await deflate([bytes]) : bytes;
  const stored = packed.length < bytes.length ? packed : bytes;
  return [u32(stored.length), u32(bytes.length), stored];
}

function u32(n: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, n, true);
  return bytes;
}
