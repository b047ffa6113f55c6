import type { Shape } from 'attnscope/trace';
import type { Mode } from 'attnscope/view';

/** The cell that is looked at, shared by all panels. `head` is a query head, whatever the maps show. */
export interface Spot {
  track: number;
  layer: number;
  head: number;
  position: number;
}

/** The row of a layer that shows this query head: its KV head in storage, itself otherwise. */
export function rowOf(head: number, shape: Shape, mode: Mode): number {
  return mode !== 'storage' ? head : Math.floor((head * shape.kvHeads) / shape.queryHeads);
}

/** The query head, or the first of them, that a row of a layer stands for. */
export function headOf(row: number, shape: Shape, mode: Mode): number {
  return mode !== 'storage' ? row : Math.floor((row * shape.queryHeads) / shape.kvHeads);
}

/** More pins than this do not fit beside the maps. */
export const PINS = 3;

class Hover {
  spot = $state.raw<Spot | null>(null);
  locked = $state(false);
  pins = $state.raw<readonly Spot[]>([]);

  look(spot: Spot | null): void {
    if (!this.locked) this.spot = spot;
  }

  toggle(spot: Spot): void {
    this.locked = !this.locked;
    this.spot = spot;
  }

  /** Holds a cell that somebody else names, or the nearest that these tracks have; whether it is the one. */
  holdNear(spot: Spot, tracks: readonly { readonly view: { readonly shape: Shape } }[], span: number): boolean {
    const track = Math.min(spot.track, tracks.length - 1);
    const { layers, queryHeads } = tracks[track].view.shape;
    const layer = Math.min(spot.layer, layers - 1);
    const head = Math.min(spot.head, queryHeads - 1);
    const position = Math.min(spot.position, span - 1);
    this.spot = { track, layer, head, position };
    this.locked = true;
    return track === spot.track && layer === spot.layer && head === spot.head && position === spot.position;
  }

  hold(spot: Spot): void {
    this.locked = true;
    this.spot = spot;
  }

  /** Pins the cell that is looked at, once, while there is room. */
  pin(): void {
    const { spot, pins } = this;
    if (!spot || pins.length >= PINS) return;
    const is = (pin: Spot) =>
      pin.track === spot.track && pin.layer === spot.layer && pin.head === spot.head && pin.position === spot.position;
    if (!pins.some(is)) this.pins = [...pins, { ...spot }];
  }

  unpin(spot: Spot): void {
    this.pins = this.pins.filter((pin) => pin !== spot);
  }

  free(): void {
    this.locked = false;
    this.spot = null;
  }

  /** A pin is a cell of a run; another run has other cells. */
  reset(): void {
    this.pins = [];
  }
}

export const hover = new Hover();
