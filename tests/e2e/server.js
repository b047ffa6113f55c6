import { listen } from '../../xtask/serve.mjs';

/** Below a folder of its own, as on many static hosts: an address that begins at the root is then not found. */
const FOLDER = '/some/folder/';

/**
 * Serves the built page, with the model beside it if there is one.
 * @param {string} dist folder of the built page
 * @param {string} [model] file served at the address that the page offers
 */
export async function serve(dist, model) {
  const mounts = { [FOLDER]: dist, ...(model && { [`${FOLDER}models/SmolLM2-135M-Instruct.Q4_1.gguf`]: model }) };
  const { server, url } = await listen(mounts, 0);
  return {
    origin: new URL(url).origin,
    url: new URL(FOLDER, url).href,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
