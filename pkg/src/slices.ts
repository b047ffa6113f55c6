/** Work of one turn: long enough to cost little, short enough that a message never waits for more than this. */
export const SLICE_MS = 10;

/** Lets waiting messages, timers and drawing go first. */
export function breathe(): Promise<void> {
  // Node has no frames to draw, and an open MessageChannel would keep it alive.
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  // A message is a task of its own that is never delayed, unlike setTimeout, which browsers hold back for 4 ms.
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/**
 * Waits for a device, turn by turn: the first turns cost nothing but their task, for a token of a fast one takes
 * milliseconds; then a timer leaves the core to others, perhaps to a device that is software.
 */
export function patience(): () => Promise<void> {
  let turns = 0;
  return () => (turns++ < 32 ? breathe() : new Promise((resolve) => setTimeout(resolve, 4)));
}

/** Calls `emit` at most every `ms`, and always when forced. */
export function throttle(ms: number, emit: () => void): (force?: boolean) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (force = false) => {
    const now = performance.now();
    if (!force && now - last < ms) return;
    last = now;
    emit();
  };
}
