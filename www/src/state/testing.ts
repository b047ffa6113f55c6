/** What tests ask of the page, which they compare with a replay of their own and with another visit. */
import { look } from './look.js';
import { run } from './run.svelte.js';

export const testing = {
  steps: () =>
    Promise.all(
      run.tracks.map(async ({ method, history }) => ({
        method: method.name,
        steps: await Promise.all(history.steps.map((_, step) => history.block(step))),
      })),
    ),
  info: () => run.model,
  /** All that a saved run must bring back. */
  state: () => ({
    ...{ recipe: run.recipe, look: look(), span: run.span, step: run.step, sameTokens: run.sameTokens },
    prompt: [...run.prompt],
    tracks: run.tracks.map(({ method, params, said, turns, kvBytes, readShare, end, summary, totals, hosts }) => ({
      ...{ name: method.name, title: method.title, params, said, turns, kvBytes, readShare, end, summary, totals },
      hosts: hosts.map(({ storedRows }) => [...storedRows]),
    })),
  }),
};
