import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { load } from 'attnscope';
import { History, writeTraceFile } from 'attnscope/trace';
import { soon } from './controls.js';
import { replay } from './replay.js';
import { scope } from './scope.js';
import { MODEL, SKIP, staysQuiet } from './site.js';

const evening = (n) => `Evening ${n}: the lamp at the gate is lit, the lamp at the door is lit.`;
const PROMPT = `The caretaker writes down which lamps are lit.\n${Array.from({ length: 16 }, (_, n) => evening(n + 1)).join('\n')}\nEvening 17: the lamp at`;
const MESSAGE = 'And on the next evening?';
/** Each writes its own; the second ends its first answer a step before the other. */
const TRACKS = [
  { method: 'full', title: 'Full attention', hosts: 1, answers: [3, 4] },
  { method: 'star_attention', title: 'Star Attention', hosts: 2, answers: [2, 4] },
];
/** The step of the run in which the second answers begin, and the last. */
const BEGINS = 3;
const LAST = 6;

/** A conversation; `blocks` has those of each step, host by host. */
async function record({ method, title, hosts, answers }) {
  const model = await load(MODEL, hosts > 1 ? { hosts } : {});
  const token = async (id) => ({ id, text: await model.decode([id]) });
  const tokens = (ids) => Promise.all(Array.from(ids, token));
  const histories = Array.from({ length: hosts }, () => new History(model.info));
  const [steps, turns, blocks] = [[], [], []];
  let step = histories.map(() => []);
  const add = (block, host) => {
    histories[host].add(block);
    step[host].push(block);
  };
  const onProgress = ({ trace, host = 0 }) => trace && add(trace, host);
  const session = await model.session({ method, ignoreEos: true });
  const prompt = await model.encode(PROMPT, { begin: true });
  for (const [n, maxTokens] of answers.entries()) {
    const last = steps.at(-1)?.id;
    const ids = n === 0 ? prompt : await model.encodeTurn([{ role: 'user', content: MESSAGE }], last);
    if (n > 0) turns.push({ at: steps.length, step: BEGINS, text: MESSAGE, last, tokens: await tokens(ids) });
    for await (const made of session.generate(ids, { maxTokens, trace: 'sets', onProgress, continue: n > 0 })) {
      for (const [host, { trace }] of (made.hosts ?? [made]).entries()) add(trace, host);
      for (const history of histories) history.close();
      steps.push(await token(made.id));
      blocks.push(step);
      step = histories.map(() => []);
    }
  }
  const { info } = model;
  const track = { method, title, params: {}, steps, turns, tokensPerSecond: null };
  const texts = await tokens(prompt);
  await model.close();
  return { info, prompt: texts, blocks, track: { ...track, history: histories.at(-1), hosts: histories } };
}

/** What hosts have together: a row that one of them dropped and another has is not gone. */
function together(states) {
  return ['read', 'stored', 'dropped', 'evicted'].find((state) => states.includes(state)) ?? 'empty';
}

describe('<attn-scope> with a conversation, on one cache and on hosts', { skip: SKIP, timeout: 600_000 }, () => {
  const made = [];
  const shown = scope(async () => {
    for (const track of TRACKS) made.push(await record(track));
    const [{ info, prompt }] = made;
    const { name, layers, queryHeads, kvHeads, headDim } = info;
    const model = { name, layers, queryHeads, kvHeads, headDim };
    return {
      'run.attn': await writeTraceFile({ model, prompt, settings: {}, tracks: made.map(({ track }) => track) }),
    };
  });

  it('draws what the hosts read and store together, in any step of the run', async () => {
    const [{ info, prompt }] = made;
    const lengths = made.map(({ track }) => prompt.length + track.steps.length + track.turns[0].tokens.length);
    // The last of the first answer, where one had ended before, and the first after the message.
    for (const to of [1, BEGINS - 1, BEGINS, LAST]) {
      await shown.seek(to);
      for (const mode of ['reads', 'storage']) {
        await shown
          .element()
          .getByRole('button', { name: mode === 'reads' ? 'Reads' : 'Storage' })
          .click();
        const heads = mode === 'storage' ? info.kvHeads : info.queryHeads;
        for (const [i, { method, hosts, answers }] of TRACKS.entries()) {
          const own = to < BEGINS ? Math.min(to, answers[0] - 1) : answers[0] + to - BEGINS;
          const past = made[i].blocks.slice(0, own + 1);
          const told = Array.from({ length: hosts }, (_, host) =>
            replay(
              info,
              past.flatMap((step) => step[host]),
            ),
          );
          await soon(async () => {
            const { width, height, cells } = await shown.readCells(method, mode);
            assert.deepEqual([width, height], [Math.max(...lengths), info.layers * heads]);
            const wrong = cells.flatMap((state, cell) => {
              const [row, position] = [Math.floor(cell / width), cell % width];
              const is = together(told.map((host) => host[mode](Math.floor(row / heads), row % heads, position)));
              return state === is
                ? []
                : [`${method} ${mode} step ${to} row ${row} position ${position}: ${state}, not ${is}`];
            });
            assert.deepEqual(wrong.slice(0, 5), []);
          });
        }
      }
    }
  });

  it('has the message in its text, and says what hosts did and who had ended', async () => {
    const element = shown.element();
    assert.deepEqual(await element.locator('.tokens q').allTextContents(), [MESSAGE]);
    assert.equal(await element.locator('[data-step]').count(), made[0].track.steps.length);
    await shown.seek(BEGINS - 1);
    await element.getByText(`Ended after step ${BEGINS - 1}.`).waitFor();
    await element.getByText(`step ${BEGINS} of ${LAST + 1}`).waitFor();
    await element.locator(`[data-step="${BEGINS}"]`).click();
    await element.getByText(`step ${BEGINS + 1} of ${LAST + 1}`).waitFor();
    assert.equal(await element.getByText('Ended after').count(), 0);
    assert.match(
      (await element.locator('[data-verdict="star_attention"]').textContent()) ?? '',
      /Spread over 2 hosts: /,
    );
    assert.equal(await element.getByText(/host 1 \d+.%, host 2 \d+.%/).count(), 1);
  });

  staysQuiet(() => shown.seen);
});
