import type { CacheView } from '../trace/cache-view.js';
import { historiesOf, type TraceTrack } from '../trace/run.js';
import { indexAt, madeAt, stepAt } from '../trace/turns.js';
import { unionFacts, unionOf } from '../trace/union.js';
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

/** A step of the run as a track has it. */
export interface Shown {
  /** Of several hosts, what they have together. */
  view: CacheView;
  /** Each of several hosts. */
  hosts: readonly CacheView[];
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

  /** What there is at a step of the run; a method may have ended before the others. */
  async seek(step: number): Promise<Shown> {
    const at = indexAt(this.track, step);
    const hosts = await Promise.all(historiesOf(this.track).map((history) => history.seek(at)));
    return hosts.length > 1 ? { view: unionOf(hosts), hosts } : { view: hosts[0], hosts: [] };
  }

  draw({ view, hosts }: Shown, reference: CacheView, step: number, { mode, axis, theme }: Look): void {
    const lut = lutOf(theme);
    fillCells({ view, mode, reference }, axis, this.#cells);
    this.#painter.draw(this.#cells, lut);
    drawLane(this.#lane, view, axis, lut);
    const facts = historiesOf(this.track).map(({ steps }) => steps[indexAt(this.track, step)].facts);
    const summary = summarise(view, facts.length > 1 ? unionFacts(facts) : facts[0]);
    drawRings(this.#rings, summary ? ringsOf(summary) : [], view.shape.layers, theme);
    const bands = summary ? bandsOf(view, summary, axis, hosts) : [];
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
    const { track, lead } = this;
    const at = indexAt(track, step);
    const last = stepAt(track, at);
    if (last !== step) return say('Ended after step {n}.', { n: last + 1 });
    const { text, id } = track.steps[at];
    const other = lead.steps[madeAt(lead, step)];
    // After the end of the first one's answer there is nothing to agree with.
    if (!other || other.id === id) return say('Says {token}.', { token: visible(text) });
    return say('Says {token}, unlike {method}.', { token: visible(text), method: lead.title });
  }
}
