/** The numbers of every step as comma-separated values (RFC 4180): a line for each step and method. */
import { mergeEvents, type StepSummary } from 'attnscope/trace';

export interface Counted {
  readonly method: { readonly name: string };
  readonly said: readonly { id: number; text: string; agrees: boolean | null }[];
  readonly readShare: readonly number[];
  readonly kl: readonly (number | null)[];
  /** One for each host, where there are several. */
  readonly histories: readonly { readonly steps: readonly Pick<StepSummary, 'length' | 'events'>[] }[];
  /** Of all hosts together. */
  totalsAt(at: number): StepSummary['totals'];
  /** The step of the run in which it made one of its own. */
  stepAt(at: number): number;
}

const COLUMNS = [
  'step',
  'method',
  'token_id',
  'token',
  'agrees_with_first',
  'kl_from_first',
  'positions',
  'kv_bytes',
  'bytes_read',
  'rows_stored',
  'rows_read',
  'read_share',
  'events',
] as const;

export function stepsCsv(tracks: readonly Counted[]): string {
  const rows = tracks.flatMap((track) => track.said.map((_, at) => ({ track, at, step: track.stepAt(at) })));
  rows.sort((a, b) => a.step - b.step);
  const lines = rows.map(({ track, at, step }) => row(track, at, step).map(cell).join(','));
  return [COLUMNS.join(','), ...lines, ''].join('\r\n');
}

function row(track: Counted, at: number, step: number): (string | number)[] {
  const { method, said, readShare, kl, histories } = track;
  const { id, text, agrees } = said[at];
  const totals = track.totalsAt(at);
  const length = Math.max(...histories.map(({ steps }) => steps[at].length));
  const [events] = mergeEvents(histories.map(({ steps }) => [steps[at]]));
  const what = events.map(({ kind, rows, records }) => `${kind} ${rows || records}`).join('; ');
  return [
    step + 1,
    method.name,
    id,
    // As JSON, so that a line break is no line, and nothing looks like a formula to a spreadsheet.
    JSON.stringify(text),
    agrees === null ? '' : String(agrees),
    kl[at] ?? '',
    length,
    totals.kvBytes,
    totals.readBytes,
    totals.storedRows,
    totals.readRows,
    readShare[at],
    what,
  ];
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
