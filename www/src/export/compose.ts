/** What is on the page, as a picture of it. */
import {
  axisFor,
  bytes,
  Cell,
  count,
  drawLane,
  fillCells,
  lutOf,
  type Mode,
  makeCells,
  percent,
  plural,
  stateName,
  verdict,
} from 'attnscope/view';
import { listing } from '../state/params.js';
import { PRESETS } from '../state/presets.js';
import { run } from '../state/run.svelte.js';
import { settings } from '../state/settings.svelte.js';
import { theme } from '../state/theme.svelte.js';
import { t } from '../words/words.svelte.js';
import { drawPicture, type PictureMap } from './picture.js';

/** Columns of a map, at two pixels each of the picture at most. */
const MOST = 680;
const shows = (mode: Mode, method: string) =>
  ({
    reads: t('what the newest token reads'),
    storage: t('what is stored'),
    weights: t('how much of its attention the newest token gives'),
    difference: t('difference to {method}', { method }),
  })[mode];

export function picture(): Promise<Blob> {
  const { mode } = settings.all;
  const { model, recipe, tracks, promptLength, span, scrub, sameTokens } = run;
  const lut = lutOf(theme.name);
  const axis = axisFor(span, MOST);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const maps = tracks.map((track): PictureMap => {
    const lane = document.createElement('canvas');
    drawLane(lane, track.view, axis, lut);
    const { summary, totals } = track;
    return {
      title: track.method.title,
      numbers:
        summary && totals
          ? `${t('{share} read', { share: percent(summary.readShare) })} · ${bytes(totals.kvBytes)}`
          : '',
      lines: [verdict(summary), listing(track.params)].filter(Boolean),
      colour: colour(`--m${track.index % 8}`),
      cells: fillCells(run.scene(track, mode), axis, makeCells()),
      lane,
    };
  });
  const preset = PRESETS.find(({ id }) => id === recipe?.preset)?.title ?? 'My own text';
  const columns = { positions: plural(1 << axis.shift, 'position') };
  return drawPicture({
    title: t('{preset}: token {n} of {all}, {shows}', {
      ...{ preset: t(preset), n: count(scrub.at + 1), all: count(run.step) },
      shows: shows(mode, tracks[0].method.title),
    }),
    about: [
      [
        model?.name ?? '',
        t('{tokens} of prompt', { tokens: plural(promptLength, 'token') }),
        sameTokens ? t('same tokens for all') : t('each writes its own'),
        mode === 'storage'
          ? t('a row is a KV head of a layer, a column {positions}; paler: only part of it', columns)
          : t('a row is a query head of a layer, a column {positions}; paler: only part of it', columns),
        'attnscope',
      ].join(' · '),
    ],
    maps,
    lut,
    nameOf: (state) => stateName(Cell[state], mode),
    axis,
    layers: model?.layers ?? 1,
    promptLength,
    span,
    colours: { paper: colour('--card'), ink: colour('--ink'), mute: colour('--mute') },
  });
}
