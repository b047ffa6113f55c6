import type { CacheView } from '../trace/cache-view.js';
import type { TraceTrack } from '../trace/run.js';
import { bandsOf } from './bands.js';
import { type Axis, fillCells, makeCells } from './cells.js';
import { make } from './dom.js';
import { bytes, percent, visible } from './format.js';
import { drawLane } from './lane.js';
import { MapPainter } from './paint.js';
import { lutOf, type Theme } from './palette.js';
import { drawRings, ringsOf } from './rings.js';
import type { Mode } from './states.js';
import { drawStrip } from './strip.js';
import { summarise, verdict } from './verdict.js';
import { say } from './words.js';

/** What all panels show alike. */
export interface Look {
  mode: Mode;
  axis: Axis;
  theme: Theme;
}

/** A method of a recorded run: its now map, the token lane under it, and a line on what happened. */
export class TrackPanel {
  readonly element: HTMLElement;
  readonly #map = make('canvas', { class: 'map', role: 'img' });
  readonly #lane = make('canvas', { class: 'lane', role: 'img' });
  /** Over the map; what it marks, the line in words says too. */
  readonly #rings = make('canvas', { class: 'rings', 'aria-hidden': 'true' });
  readonly #strip = make('canvas', { class: 'strip', role: 'img' });
  readonly #numbers = make('small');
  readonly #verdict = make('p', { class: 'verdict' });
  readonly #bands = make('p');
  readonly #says = make('p');
  readonly #painter = new MapPainter(this.#map);
  readonly #cells = makeCells();

  constructor(
    readonly track: TraceTrack,
    readonly lead: TraceTrack,
  ) {
    this.#map.dataset.map = track.method;
    this.#verdict.dataset.verdict = track.method;
    const caption = make('figcaption', {}, make('span', {}, track.title), this.#numbers);
    const plot = make('div', { class: 'plot' }, this.#map, this.#rings);
    this.element = make('figure', {}, caption, plot, this.#lane, this.#strip, this.#bands, this.#verdict, this.#says);
  }

  /** The last step there is at `step`; a method may have ended before the others. */
  stepAt(step: number): number {
    return Math.min(step, this.track.steps.length - 1);
  }

  draw(view: CacheView, reference: CacheView, step: number, { mode, axis, theme }: Look): void {
    const lut = lutOf(theme);
    fillCells({ view, mode, reference }, axis, this.#cells);
    this.#painter.draw(this.#cells, lut);
    drawLane(this.#lane, view, axis, lut);
    const summary = summarise(view, this.track.history.steps[this.stepAt(step)].facts);
    drawRings(this.#rings, summary ? ringsOf(summary) : [], view.shape.layers, theme);
    const bands = summary ? bandsOf(view, summary, axis) : [];
    this.#strip.hidden = bands.length === 0;
    drawStrip(this.#strip, bands, axis, theme);
    const says = bands.map((band) => band.says).join(' ');
    this.#strip.setAttribute('aria-label', says);
    this.#bands.textContent = says;
    const line = verdict(summary);
    this.#verdict.textContent = line;
    const { tokensPerSecond } = this.track;
    const speed = tokensPerSecond === null ? '' : ` · ${say('ran at {n} tokens/s', { n: tokensPerSecond.toFixed(1) })}`;
    const share = say('{share} read', { share: percent(summary?.readShare ?? 0) });
    this.#numbers.textContent = `${share} · ${bytes(view.totals.kvBytes)}${speed}`;
    this.#says.textContent = this.#saysAt(step);
    this.#map.setAttribute('aria-label', `${this.track.title}. ${line}`);
    this.#lane.setAttribute(
      'aria-label',
      say('{method}: how many heads read each position', { method: this.track.title }),
    );
  }

  #saysAt(step: number): string {
    const { text, id } = this.track.steps[this.stepAt(step)];
    if (step >= this.track.steps.length) return say('Ended after step {n}.', { n: this.track.steps.length });
    const agrees = this.track === this.lead || this.lead.steps[step]?.id === id;
    if (agrees) return say('Says {token}.', { token: visible(text) });
    return say('Says {token}, unlike {method}.', { token: visible(text), method: this.lead.title });
  }
}
