/** Which map has the room of all, by the index of its track; null: they stand side by side. */
class Layout {
  only = $state<number | null>(null);

  toggle(index: number): void {
    this.only = this.only === index ? null : index;
  }
}

export const layout = new Layout();
