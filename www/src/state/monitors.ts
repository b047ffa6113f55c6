/** What the guard watches, in the order of the monitors' numbers in the trace. */
interface Monitor {
  name: string;
  title: string;
  /** Of the limit that a visitor may set; null where there is none to set. */
  unit: 'share' | 'relative' | 'dB' | null;
  help: string;
  /** What a method does once the limit is passed. */
  safe: string;
}

export const MONITORS: readonly Monitor[] = [
  {
    ...{ name: 'recall', title: 'recall', unit: 'share', safe: 'reads everything' },
    help: 'least share of the full attention that falls on what was read',
  },
  {
    ...{ name: 'error', title: 'output error', unit: 'relative', safe: 'reads everything' },
    help: 'largest error of the attention output',
  },
  {
    ...{ name: 'acceptance', title: 'acceptance', unit: 'share', safe: 'makes no guesses' },
    help: 'least share of guesses that hold',
  },
  {
    ...{ name: 'finite', title: 'finite numbers', unit: null, help: 'logits must be numbers' },
    safe: 'reads and keeps everything, without guesses',
  },
  {
    ...{ name: 'noise', title: 'noise', unit: 'dB', safe: 'keeps what follows as it is' },
    help: 'least signal-to-noise ratio of quantised rows',
  },
];

/** Those with a limit that can be set. */
export const LIMITED = MONITORS.filter(({ unit }) => unit !== null);
