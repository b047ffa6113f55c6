import { createReadStream, statSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin, type ViteDevServer } from 'vite';

export default defineConfig({
  // Relative addresses, so that the built page works from any folder of any host.
  base: './',
  plugins: [svelte(), localModel(), devStyles()],
  worker: { format: 'es' },
  build: {
    target: 'esnext',
    // A browser without it preloads nothing, and loads all the same.
    modulePreload: { polyfill: false },
    // What every visit loads is one file: in several, each for who shares it, it does not compress as well.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'page', tags: ['$initial'] }] } } },
  },
});

/** Serves the file named by ATTNSCOPE_MODEL as models/… in `vite dev` and `vite preview`. */
function localModel(): Plugin {
  const serve = ({ middlewares }: Pick<ViteDevServer, 'middlewares'>) => {
    const path = process.env.ATTNSCOPE_MODEL;
    if (!path) return;
    middlewares.use('/models/', (request, response) => {
      response.setHeader('content-type', 'application/octet-stream');
      response.setHeader('content-length', statSync(path).size);
      if (request.method === 'HEAD') response.end();
      else createReadStream(path).pipe(response);
    });
  };
  return { name: 'local-model', configureServer: serve, configurePreviewServer: serve };
}

/** In `vite dev` styles come as elements, which the built page forbids. */
function devStyles(): Plugin {
  const loosen = (html: string) => html.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'");
  return { name: 'dev-styles', apply: 'serve', transformIndexHtml: loosen };
}
