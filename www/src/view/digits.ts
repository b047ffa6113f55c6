/** Digits as strokes in the unit square, y down, for who wants to draw none. */
import type { Stroke } from '../state/pictures.js';

type Point = Stroke[number];

/** A piece of an ellipse, by degrees clockwise from its right. */
function arc(x: number, y: number, width: number, height: number, from: number, to: number): Point[] {
  const steps = Math.ceil(Math.abs(to - from) / 15);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
    return [x + width * Math.cos(angle), y + height * Math.sin(angle)] as const;
  });
}

const DIGITS: readonly (readonly Stroke[])[] = [
  [arc(0.5, 0.5, 0.2, 0.32, -90, 270)],
  [[...line(0.53, 0.17, 0.5, 0.83)]],
  [[...arc(0.5, 0.35, 0.2, 0.18, -170, 40), [0.3, 0.82], [0.72, 0.82]]],
  [[...arc(0.48, 0.33, 0.19, 0.16, -150, 90), ...arc(0.48, 0.66, 0.22, 0.17, -90, 140)]],
  [
    [
      [0.56, 0.16],
      [0.27, 0.6],
      [0.76, 0.6],
    ],
    line(0.6, 0.4, 0.6, 0.85),
  ],
  [[[0.7, 0.18], [0.36, 0.18], [0.33, 0.46], ...arc(0.49, 0.63, 0.21, 0.2, -130, 140)]],
  [[[0.62, 0.15], [0.42, 0.4], ...arc(0.5, 0.65, 0.19, 0.19, 200, -160)]],
  [
    [
      [0.28, 0.2],
      [0.72, 0.2],
      [0.45, 0.84],
    ],
  ],
  [[...arc(0.5, 0.33, 0.16, 0.16, 90, -270), ...arc(0.5, 0.67, 0.2, 0.18, -90, 270)]],
  [[...arc(0.5, 0.35, 0.18, 0.18, 0, -360), [0.66, 0.6], [0.6, 0.85]]],
];

function line(x1: number, y1: number, x2: number, y2: number): Stroke {
  return [
    [x1, y1],
    [x2, y2],
  ];
}

/** Numbers from -1 to 1, the same for the same seed. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  // Neighbouring seeds begin alike.
  for (let i = 0; i < 3; i++) next();
  return next;
}

/** A digit as one of many hands would draw it: turned, slanted and stretched a little. */
export function sampleOf(digit: number, seed: number): readonly Stroke[] {
  const next = numbers(seed);
  const [turn, slant, wide, high] = [0.14 * next(), 0.15 * next(), 1 + 0.08 * next(), 1 + 0.08 * next()];
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  return DIGITS[digit].map((stroke) =>
    stroke.map(([x, y]) => {
      const [u, v] = [(x - 0.5) * wide + slant * (0.5 - y), (y - 0.5) * high];
      return [0.5 + u * cos - v * sin, 0.5 + u * sin + v * cos] as const;
    }),
  );
}
