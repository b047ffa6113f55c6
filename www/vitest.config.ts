import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The sources of the package, so that unit tests need nothing built.
  resolve: { alias: { 'attnscope/trace': fileURLToPath(new URL('../pkg/src/trace.ts', import.meta.url)) } },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
