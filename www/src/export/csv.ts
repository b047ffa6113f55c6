/** The numbers of every step as comma-separated values (RFC 4180): a line for each step and method. */
import type { StepSummary } from 'attnscope/trace';

export interface Counted {
  readonly method: { readonly name: string };
  readonly said: readonly { id: number; text: string; agrees: boolean | null }[];
  readonly readShare: readonly number[];
  readonly history: { readonly steps: readonly Pick<StepSummary, 'length' | 'totals' | 'events'>[] };
}

const COLUMNS = [
  'step',
  'method',
  'token_id',
  'token',
  'agrees_with_first',
  'positions',
  'kv_bytes',
  'bytes_read',
  'rows_stored',
  'rows_read',
  'read_share',
  'events',
] as const;

export function stepsCsv(tracks: readonly Counted[]): string {
  const longest = Math.max(0, ...tracks.map(({ said }) => said.length));
  const lines: string[] = [COLUMNS.join(',')];
  for (let step = 0; step < longest; step++) {
    for (const track of tracks) if (step < track.said.length) lines.push(row(track, step).map(cell).join(','));
  }
  return `${lines.join('\r\n')}\r\n`;
}

function row({ method, said, readShare, history }: Counted, step: number): (string | number)[] {
  const { id, text, agrees } = said[step];
  const { length, totals, events } = history.steps[step];
  const what = events.map(({ kind, rows, records }) => `${kind} ${rows || records}`).join('; ');
  return [
    step + 1,
    method.name,
    id,
    // As JSON, so that a line break is no line, and nothing looks like a formula to a spreadsheet.
    JSON.stringify(text),
    agrees === null ? '' : String(agrees),
    length,
    totals.kvBytes,
    totals.readBytes,
    totals.storedRows,
    totals.readRows,
    readShare[step],
    what,
  ];
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
