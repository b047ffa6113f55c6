/** The cell that is looked at, shared by all panels. `head` counts query heads in reads, KV heads in storage. */
export interface Spot {
  track: number;
  layer: number;
  head: number;
  position: number;
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

  free(): void {
    this.locked = false;
    this.spot = null;
  }
}

export const hover = new Hover();
