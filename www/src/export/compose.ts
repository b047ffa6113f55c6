/** What is on the page, as a picture of it. */
import {
  axisFor,
  bytes,
  Cell,
  count,
  drawLane,
  fillCells,
  lutOf,
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
import { drawPicture, type PictureMap } from './picture.js';

/** Columns of a map, at two pixels each of the picture at most. */
const MOST = 680;
const MODES = { reads: 'what the newest token reads', storage: 'what is stored', difference: 'difference to' } as const;

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
      numbers: summary && totals ? `${percent(summary.readShare)} read · ${bytes(totals.kvBytes)}` : '',
      lines: [verdict(summary), listing(track.params)].filter(Boolean),
      colour: colour(`--m${track.index % 8}`),
      cells: fillCells(run.scene(track, mode), axis, makeCells()),
      lane,
    };
  });
  const preset = PRESETS.find(({ id }) => id === recipe?.preset)?.title ?? 'Own text';
  const shows = `${MODES[mode]}${mode === 'difference' ? ` ${tracks[0].method.title}` : ''}`;
  const heads = mode === 'storage' ? 'KV head' : 'query head';
  return drawPicture({
    title: `${preset}: token ${count(scrub.at + 1)} of ${count(run.step)}, ${shows}`,
    about: [
      `${model?.name ?? ''} · ${plural(promptLength, 'token')} of prompt · ${sameTokens ? 'same tokens for all' : 'each writes its own'} · a row is a ${heads} of a layer, a column ${plural(1 << axis.shift, 'position')}; paler: only part of it · attnscope`,
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
