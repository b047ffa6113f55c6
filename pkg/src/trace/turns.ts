/**
 * Steps of a method and of the run it is part of. They are the same, unless a method ended an answer before the others
 * did: then it makes no more until a further message begins the next answer of all.
 */

/** Where the answer to a further message begins: in which of the method's steps, and in which of the run. */
export interface Turn {
  at: number;
  step: number;
}

/** A method's steps, as a track of a run has them. */
export interface Timed {
  readonly steps: { readonly length: number };
  readonly turns?: readonly Turn[];
}

/**
 * Which of a method's own steps stands at a step of the run: the same one, or the last of an answer that it ended before
 * the others did. -1 before there is one.
 */
export function indexAt({ steps, turns = [] }: Timed, step: number): number {
  const next = turns.find((turn) => turn.step > step);
  const turn = turns.findLast((turn) => turn.step <= step);
  return Math.min(turn ? turn.at + step - turn.step : step, (next?.at ?? steps.length) - 1);
}

/** The step of the run in which a method made one of its own: `indexAt` the other way round. */
export function stepAt({ turns = [] }: Timed, at: number): number {
  const turn = turns.findLast((turn) => turn.at <= at);
  return turn ? turn.step + at - turn.at : at;
}

/** Which of its own steps a method made in a step of the run; -1 for none. */
export function madeAt(track: Timed, step: number): number {
  const at = indexAt(track, step);
  return at >= 0 && stepAt(track, at) === step ? at : -1;
}
