import { createServer } from 'node:http';
import { handler } from '../../xtask/serve.mjs';

/**
 * A server that can stop sending a file in the middle. It answers to ranges, so that a download may go on.
 * @param {Record<string, string>} mounts other files
 * @param {string} address of the file
 * @param {Buffer} bytes
 */
export async function badLine(mounts, address, bytes) {
  /** Where the answers to downloads began, and the one that waits for the end of the line. */
  const asked = [];
  let end = Number.POSITIVE_INFINITY;
  let waiting;
  const files = handler(mounts);
  const server = createServer((request, response) => {
    if (request.url !== address) return files(request, response);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from > 0 ? 206 : 200, { etag: '"1"', 'content-length': bytes.length - from, ...range });
    if (request.method === 'HEAD') return response.end();
    asked.push(from);
    if (end >= bytes.length) return response.end(bytes.subarray(from));
    response.write(bytes.subarray(from, end));
    waiting = response;
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    asked,
    /** From now on, nothing is sent after so many bytes of the file; all of it without a number. */
    stopAt(position = Number.POSITIVE_INFINITY) {
      end = position;
    },
    /** Ends the connection that waits. A browser drops what it has not handed over by then, so look first at what came. */
    hangUp: () => waiting.socket.end(),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
