/** The maps as a picture for a paper or a slide: title, settings, legend, and each map with its axes and its line. */
import { type Axis, type Cells, count, DENSITIES, type Lut, MapPainter, STATES, type StateName } from 'attnscope/view';
import { t } from '../words/words.svelte.js';

export interface PictureMap {
  title: string;
  numbers: string;
  /** What it says in words, and with which values it ran. */
  lines: readonly string[];
  colour: string;
  cells: Cells;
  lane: HTMLCanvasElement;
}

export interface Picture {
  title: string;
  about: readonly string[];
  maps: readonly PictureMap[];
  lut: Lut;
  /** What a state is called; asked for those that occur. */
  nameOf: (state: StateName) => string;
  axis: Axis;
  layers: number;
  promptLength: number;
  span: number;
  colours: { paper: string; ink: string; mute: string };
}

const SCALE = 2;
const PAD = 20;
const GAP = 22;
const MAP = { width: 340, height: 270, left: 30, lane: 8 } as const;
const COLUMNS = 4;
const FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const LINE = 16;

/** A PNG at twice the size of its layout. */
export async function drawPicture(picture: Picture): Promise<Blob> {
  const columns = Math.min(COLUMNS, picture.maps.length);
  const width = 2 * PAD + columns * (MAP.left + MAP.width) + (columns - 1) * GAP;
  const canvas = document.createElement('canvas');
  const pen = new Pen(canvas, picture.colours);
  // The height follows from how the lines break, so it is laid out once without drawing.
  const height = layOut(pen, picture, width, columns);
  canvas.width = width * SCALE;
  canvas.height = height * SCALE;
  pen.begin(width, height);
  layOut(pen, picture, width, columns);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new RangeError(t('The picture is too large.')))),
      'image/png',
    );
  });
}

function layOut(pen: Pen, picture: Picture, width: number, columns: number): number {
  const { colours, maps } = picture;
  let y = pen.text(picture.title, PAD, PAD + 14, width - 2 * PAD, 600, 17, colours.ink);
  for (const line of picture.about) y = pen.text(line, PAD, y + 2, width - 2 * PAD, 400, 12, colours.mute);
  y = legend(pen, picture, y + 6, width) + 14;
  for (let first = 0; first < maps.length; first += columns) {
    const row = maps.slice(first, first + columns);
    const ends = row.map((map, i) => drawMap(pen, picture, map, PAD + i * (MAP.left + MAP.width + GAP), y));
    y = Math.max(...ends) + GAP;
  }
  return Math.ceil(y - GAP + PAD);
}

function legend(pen: Pen, { maps, lut, nameOf, colours }: Picture, top: number, width: number): number {
  const seen = new Set(
    maps.flatMap(({ cells }) => [...new Set(cells.data)].map((cell) => Math.floor(cell / DENSITIES))),
  );
  let [x, y] = [PAD, top];
  for (const state of [...seen].sort((a, b) => b - a)) {
    const name = nameOf(STATES[state]);
    const room = 18 + pen.width(name, 12) + 16;
    if (x + room > width - PAD) [x, y] = [PAD, y + LINE + 4];
    pen.box(x, y, 12, 12, lut[state * DENSITIES + DENSITIES - 1], colours.mute);
    pen.text(name, x + 18, y + 10, room, 400, 12, colours.mute);
    x += room;
  }
  return y + LINE;
}

function drawMap(pen: Pen, picture: Picture, map: PictureMap, left: number, top: number): number {
  const { colours, layers, promptLength, span, lut, axis } = picture;
  const [x, whole] = [left + MAP.left, MAP.left + MAP.width];
  pen.fill(left, top + 3, 10, 10, map.colour);
  pen.text(map.title, left + 16, top + 12, whole - 16, 600, 14, colours.ink);
  let y = pen.text(map.numbers, left + 16, top + 28, whole - 16, 400, 12, colours.mute) - 4;
  pen.image(pen.paint(map.cells, lut), x, y, MAP.width, MAP.height);
  for (const part of [0, 1 / 3, 2 / 3, 1]) {
    const layer = Math.round(part * (layers - 1));
    pen.text(`L${layer}`, left, y + ((layer + 0.5) / layers) * MAP.height + 4, MAP.left, 400, 11, colours.mute);
  }
  const end = (promptLength / (axis.width << axis.shift)) * MAP.width;
  pen.dash(x + end, y, MAP.height, colours.ink);
  y += MAP.height;
  pen.image(map.lane, x, y + 2, MAP.width, MAP.lane);
  y += MAP.lane + 14;
  pen.text('0', x, y, 40, 400, 11, colours.mute);
  const marks = t('prompt ends at {n}, axis ends at {end}', { n: count(promptLength), end: count(span) });
  pen.text(marks, x + MAP.width - pen.width(marks, 11), y, MAP.width, 400, 11, colours.mute);
  y += 20;
  for (const line of map.lines) y = pen.text(line, left, y, whole, 400, 12.5, colours.ink);
  return y;
}

/** Drawing in layout pixels; before `begin` it only measures. */
class Pen {
  readonly #context: CanvasRenderingContext2D;
  #on = false;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly colours: Picture['colours'],
  ) {
    this.#context = canvas.getContext('2d')!;
  }

  begin(width: number, height: number): void {
    this.#on = true;
    this.#context.scale(SCALE, SCALE);
    this.#context.imageSmoothingEnabled = false;
    this.fill(0, 0, width, height, this.colours.paper);
  }

  width(text: string, size: number): number {
    this.#context.font = `400 ${size}px ${FONT}`;
    return this.#context.measureText(text).width;
  }

  /** Breaks a text into lines of at most `room`; returns the base line after the last one. */
  text(text: string, x: number, y: number, room: number, weight: number, size: number, colour: string): number {
    const context = this.#context;
    context.font = `${weight} ${size}px ${FONT}`;
    context.fillStyle = colour;
    let line = '';
    let at = y;
    const put = () => {
      if (this.#on) context.fillText(line, x, at);
      at += size * 1.35;
    };
    for (const word of text.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && context.measureText(longer).width > room) {
        put();
        line = word;
      } else line = longer;
    }
    put();
    return at;
  }

  fill(x: number, y: number, width: number, height: number, colour: string): void {
    if (!this.#on) return;
    this.#context.fillStyle = colour;
    this.#context.fillRect(x, y, width, height);
  }

  /** A swatch of a canvas pixel's colour. */
  box(x: number, y: number, width: number, height: number, pixel: number, edge: string): void {
    this.fill(x, y, width, height, edge);
    this.fill(
      x + 0.5,
      y + 0.5,
      width - 1,
      height - 1,
      `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`,
    );
  }

  paint(cells: Cells, lut: Lut): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    if (this.#on) new MapPainter(canvas).draw(cells, lut);
    return canvas;
  }

  image(source: HTMLCanvasElement, x: number, y: number, width: number, height: number): void {
    if (this.#on) this.#context.drawImage(source, x, y, width, height);
  }

  dash(x: number, y: number, height: number, colour: string): void {
    if (!this.#on) return;
    const context = this.#context;
    context.strokeStyle = colour;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x, y + height);
    context.stroke();
    context.setLineDash([]);
  }
}
