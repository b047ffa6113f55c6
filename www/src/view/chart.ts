import uPlot from 'uplot';

export interface Line {
  label: string;
  colour: string;
  /** Null where there is nothing to say. */
  values: readonly (number | null)[];
}

/** Lines are told apart by dashes too, not by hue alone. */
const DASHES: readonly number[][] = [[], [6, 3], [2, 3], [10, 3, 2, 3], [14, 4], [4, 4], [8, 2], [1, 2]];

export interface ChartColours {
  ink: string;
  grid: string;
}

/** A line chart over tokens 1, 2, … */
export class TokenChart {
  readonly #plot: uPlot;
  readonly #scale: number;

  constructor(host: HTMLElement, lines: readonly Line[], colours: ChartColours, scale: number, height: number) {
    this.#scale = scale;
    const axis: uPlot.Axis = {
      stroke: colours.ink,
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1, size: 4 },
      font: '11px system-ui, sans-serif',
    };
    this.#plot = new uPlot(
      {
        width: Math.max(80, host.clientWidth),
        height,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: (_, min, max) => [min, Math.max(max, min + 1)] },
          // From zero, so that heights can be compared.
          y: { range: (_, __, max) => [0, max > 0 ? max * 1.06 : 1] },
        },
        axes: [
          { ...axis, size: 26, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
          { ...axis, size: 40 },
        ],
        series: [
          {},
          ...lines.map(({ label, colour }, i) => ({
            label,
            stroke: colour,
            width: 2,
            dash: DASHES[i % DASHES.length],
            points: { show: false },
          })),
        ],
      },
      this.#data(lines),
      host,
    );
  }

  update(lines: readonly Line[]): void {
    this.#plot.setData(this.#data(lines));
  }

  resize(width: number): void {
    if (width > 0) this.#plot.setSize({ width, height: this.#plot.height });
  }

  destroy(): void {
    this.#plot.destroy();
  }

  #data(lines: readonly Line[]): uPlot.AlignedData {
    const length = Math.max(1, ...lines.map((line) => line.values.length));
    const x = Array.from({ length }, (_, i) => i + 1);
    const scaled = (value: number | null | undefined) => (value == null ? null : value * this.#scale);
    const pad = (values: Line['values']) => x.map((_, i) => scaled(values[i]));
    return [x, ...lines.map((line) => pad(line.values))];
  }
}
