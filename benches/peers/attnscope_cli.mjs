// Our own command line, native. It starts anew for each run and times itself.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** @param {string} program @param {string} model */
export async function open(program, model) {
  const folder = await mkdtemp(join(tmpdir(), 'attnscope-bench-'));
  return {
    async measure({ ids }, decode) {
      const file = join(folder, 'ids.json');
      await writeFile(file, JSON.stringify(ids));
      const flags = ['generate', '--model', model, '--ids', file, '--method', 'full', '--max-tokens', `${decode}`, '--json'];
      const { stdout } = await run(program, flags, { maxBuffer: 1 << 24 });
      return JSON.parse(stdout);
    },
    close: () => rm(folder, { recursive: true }),
  };
}
