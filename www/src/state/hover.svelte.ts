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

class Hover {
  spot = $state.raw<Spot | null>(null);
  locked = $state(false);

  look(spot: Spot | null): void {
    if (!this.locked) this.spot = spot;
  }

  toggle(spot: Spot): void {
    this.locked = !this.locked;
    this.spot = spot;
  }

  /** Holds a cell that somebody else names, or the nearest that these tracks have; whether it is the one. */
  hold(spot: Spot, tracks: readonly { readonly view: { readonly shape: Shape } }[], span: number): boolean {
    const track = Math.min(spot.track, tracks.length - 1);
    const { layers, queryHeads } = tracks[track].view.shape;
    const layer = Math.min(spot.layer, layers - 1);
    const head = Math.min(spot.head, queryHeads - 1);
    const position = Math.min(spot.position, span - 1);
    this.spot = { track, layer, head, position };
    this.locked = true;
    return track === spot.track && layer === spot.layer && head === spot.head && position === spot.position;
  }

  free(): void {
    this.locked = false;
    this.spot = null;
  }
}

export const hover = new Hover();
