import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import sirv from 'sirv';

/**
 * Serves the built page below a folder of its own, as a static host would, with the model beside it.
 * @param {string} dist folder of the built page
 * @param {string | undefined} model file served as models/…; without it that address is not found
 */
export async function serve(dist, model) {
  const files = sirv(dist, { dev: true });
  const server = createServer((request, response) => {
    if (!request.url?.startsWith('/some/folder/')) return void response.writeHead(404).end();
    request.url = request.url.slice('/some/folder'.length);
    if (!request.url.startsWith('/models/')) return files(request, response, () => response.writeHead(404).end());
    if (!model) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': statSync(model).size });
    if (request.method === 'HEAD') response.end();
    else
      createReadStream(model)
        .pipe(response)
        .on('error', () => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/some/folder/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
