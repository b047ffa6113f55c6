import { make } from './dom.js';
import { type Mark, thinned } from './marks.js';
import { say } from './words.js';

export interface TimelineActions {
  seek: (step: number) => void;
  toggle: () => void;
}

/** A slider over the steps with the signs of what happened, and the button that plays. */
export class Timeline {
  readonly element: HTMLElement;
  readonly #button = make('button', { type: 'button' });
  readonly #slider = make('input', { type: 'range', step: '1', 'aria-label': say('Step') });
  readonly #output = make('output');
  readonly #labels: ReadonlyMap<number, string>;

  constructor(
    readonly first: number,
    readonly last: number,
    marks: readonly Mark[],
    { seek, toggle }: TimelineActions,
  ) {
    this.#slider.min = String(first);
    this.#slider.max = String(last);
    this.#slider.addEventListener('input', () => seek(this.#slider.valueAsNumber));
    this.#button.addEventListener('click', toggle);
    this.#labels = new Map(marks.map(({ step, label }) => [step, label]));
    // What the labels say is said by the slider; the signs are for the eye.
    const signs = make('div', { class: 'marks', 'aria-hidden': 'true' }, ...this.#signs(marks));
    this.element = make('div', { class: 'row' }, this.#button);
    this.element.append(make('div', { class: 'timeline' }, signs, this.#slider), this.#output);
  }

  show(step: number, playing: boolean, text: string): void {
    this.#slider.value = String(step);
    this.#button.textContent = playing ? '❚❚' : '▶';
    this.#button.setAttribute('aria-label', playing ? say('Pause') : say('Play'));
    this.#output.textContent = say('step {n} of {steps}', { n: step + 1, steps: this.last + 1 });
    const events = this.#labels.get(step);
    this.#slider.setAttribute(
      'aria-valuetext',
      [say('step {n}', { n: step + 1 }), text, events].filter(Boolean).join(', '),
    );
  }

  #signs(marks: readonly Mark[]): HTMLElement[] {
    return thinned(marks)
      .filter(({ step }) => step >= this.first)
      .map(({ step, sign, label }) => {
        const element = make('span', { title: say('Step {n}: {label}', { n: step + 1, label }) }, sign);
        element.style.left = `${(100 * (step - this.first)) / Math.max(1, this.last - this.first)}%`;
        return element;
      });
  }
}
