/** The entry of a host's worker in Node. */
import { parentPort } from 'node:worker_threads';
import { openNode } from './node.js';
import type { Port } from './protocol.js';
import { serve } from './serve.js';

if (parentPort) {
  serve(parentPort as unknown as Port, openNode);
  // Unlike in a browser, messages wait until somebody asks for them.
  parentPort.start();
}
