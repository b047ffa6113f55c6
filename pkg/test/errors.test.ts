import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_CODES, toError } from '../src/errors.js';
import { open } from '../src/node.js';

describe('codes', () => {
  it('of the engine are those of the Rust error type', async () => {
    const rust = await readFile(new URL('../../src/error.rs', import.meta.url), 'utf8');
    const codes = [...rust.matchAll(/Error::\w+[^=]*=> "(\w+)"/g)].map(([, code]) => code);
    expect([...ENGINE_CODES].sort()).toEqual(codes.sort());
  });

  it('pass for the engine and for a worker alone', () => {
    expect(toError({ code: 'context', message: 'm' })).toMatchObject({ code: 'context', message: 'm' });
    expect(toError({ code: 'EACCES', message: 'm' }).code).toBe('engine');
    expect(toError(Object.assign(new Error('m'), { code: 'context' })).code).toBe('engine');
  });

  it('tell a trap, and what can be done after it', () => {
    const trap = new WebAssembly.RuntimeError('unreachable');
    expect(toError(trap)).toMatchObject({ code: 'engine', message: expect.stringMatching(/unreachable.*restart/) });
  });
});

describe('files in Node', () => {
  let folder: string;
  const load = async (source: string | URL) => (await open({ wasm: new Uint8Array() })).load(source);
  const source = expect.objectContaining({ name: 'AttnscopeError', code: 'source' });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'attnscope-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('that cannot be read are told by their path', async () => {
    await expect(load(folder)).rejects.toThrow(source);
    await expect(load(folder)).rejects.toThrow(folder);
    await expect(load(join(folder, 'none.gguf'))).rejects.toThrow(source);
    await expect(load('file://far/away.gguf')).rejects.toThrow(source);
  });

  // The superuser may read everything.
  it.skipIf(process.getuid?.() === 0)('that are forbidden too', async () => {
    const path = join(folder, 'shut.gguf');
    await writeFile(path, 'GGUF');
    await chmod(path, 0);
    await expect(load(path)).rejects.toThrow(source);
  });

  it('are read in full', async () => {
    const path = join(folder, 'model.gguf');
    await writeFile(path, 'GGUF and the rest');
    await expect(load(path)).resolves.toMatchObject({ info: { name: 'stub' } });
  });
});
