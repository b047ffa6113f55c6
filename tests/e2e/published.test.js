import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { installPacked } from './packed.js';

const pkg = fileURLToPath(new URL('../../pkg', import.meta.url));
/** Bytes, unpacked. */
const LIMIT = 5_000_000;
/** The package's files of data, which have no types. */
const DATA = ['engine.wasm', 'picture_projector.safetensors'];

describe('what npm would publish', { timeout: 120_000 }, () => {
  let packed;
  before(() => {
    packed = installPacked();
  });
  after(() => packed.remove());

  it('is no larger than it may be', () => {
    const { unpackedSize, size } = packed.about;
    assert.ok(unpackedSize <= LIMIT && size < unpackedSize, `${unpackedSize} bytes, packed ${size}`);
  });

  it('has every file that its manifest names, and the licences', () => {
    const { exports } = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
    const named = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)));
    const has = new Set(packed.about.files.map(({ path }) => `./${path}`));
    for (const path of [...named, './package.json', './README.md', './LICENSE-MIT', './LICENSE-APACHE']) {
      assert.ok(has.has(path), path);
    }
  });

  it('has a manifest without faults', async () => {
    const manifest = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
    const { messages } = await publint({ pkgDir: pkg, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, manifest)),
      [],
    );
  });

  it('has types that resolve as the code does', () => {
    const manifest = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json');
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
    // ESM alone; files of data have no types. It ends with 1 at a fault.
    const flags = ['--profile', 'esm-only', '--exclude-entrypoints', ...DATA, '--no-color'];
    execFileSync(process.execPath, [join(dirname(manifest), bin.attw), packed.tarball, ...flags], { stdio: 'pipe' });
  });
});
