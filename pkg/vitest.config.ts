import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Unit tests run without the .wasm: the generated module is replaced by a small stand-in with the same border.
const stub = fileURLToPath(new URL('test/stub-engine.ts', import.meta.url));

export default defineConfig({
  resolve: { alias: [{ find: /^\.\/wasm\/attnscope\.js$/, replacement: stub }] },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
