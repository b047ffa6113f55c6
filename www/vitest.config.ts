import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Files named .svelte.ts hold runes, which are not TypeScript before they are compiled.
  plugins: [svelte()],
  // The sources of the package, so that unit tests need nothing built.
  resolve: { alias: { 'attnscope/trace': fileURLToPath(new URL('../pkg/src/trace.ts', import.meta.url)) } },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
