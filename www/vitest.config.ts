import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const source = (name: string) => fileURLToPath(new URL(`../pkg/src/${name}.ts`, import.meta.url));

export default defineConfig({
  // Files named .svelte.ts hold runes, which are not TypeScript before they are compiled.
  plugins: [svelte()],
  // The sources of the package, so that unit tests need nothing built.
  resolve: {
    alias: [
      { find: /^attnscope$/, replacement: source('index') },
      { find: /^attnscope\/trace$/, replacement: source('trace') },
      { find: /^attnscope\/view$/, replacement: source('view') },
    ],
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
