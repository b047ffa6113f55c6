// Serves folders and files on one port: node serve.mjs PORT /=www/dist /models/m.gguf=FILE ...
// sirv does ranges, lengths and types; we add that nothing is cached, because what is served was built a second ago.
import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import sirv from 'sirv';

/** @param {Record<string, string>} mounts URL prefix -> folder, or URL -> file; the longest wins. */
export function handler(mounts) {
  const routes = Object.entries(mounts)
    .sort(([a], [b]) => b.length - a.length)
    .map(([prefix, path]) => {
      const file = statSync(path).isFile() ? basename(path) : undefined;
      return { prefix, file, serve: sirv(file ? dirname(path) : path, { dev: true, setHeaders: headers }) };
    });
  return (request, response) => {
    const url = request.url ?? '/';
    const path = url.split('?', 1)[0];
    const route = routes.find(({ prefix, file }) => (file ? path === prefix : path.startsWith(prefix)));
    const missing = () => response.writeHead(404, { 'Content-Type': 'text/plain' }).end(`nothing at ${url}\n`);
    if (!route) return missing();
    request.url = '/' + (route.file ? encodeURIComponent(route.file) : url.slice(route.prefix.length));
    route.serve(request, response, missing);
  };
}

/** Starts a server on the loopback interface; port 0 takes a free one. */
export function listen(mounts, port) {
  const server = createServer(handler(mounts));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, 'localhost', () => resolve({ server, url: `http://localhost:${server.address().port}/` }));
  });
}

function headers(response, path) {
  if (path.endsWith('.gguf')) response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port, ...mounts] = process.argv.slice(2);
  try {
    const pairs = mounts.map((mount) => [mount.slice(0, mount.indexOf('=')), mount.slice(mount.indexOf('=') + 1)]);
    const { url } = await listen(Object.fromEntries(pairs), Number(port));
    console.log(`\n  ${url}\n\n  Ctrl-C stops it.`);
  } catch (error) {
    console.error(error.code === 'EADDRINUSE' ? `Port ${port} is taken: choose another with --port` : error);
    process.exit(1);
  }
}
