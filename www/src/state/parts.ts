/** Parts of the page that `?hide=prompt,article` leaves out, for a lecture or a frame in another page. */
export const PARTS = [
  ...['header', 'model', 'prompt', 'methods', 'settings', 'text', 'legend', 'maps'],
  ...['timeline', 'inspector', 'charts', 'article'],
] as const;
export type Part = (typeof PARTS)[number];

/** The parts that are named in a query, and what is no part. */
export function hiddenIn(query: string): { hidden: ReadonlySet<string>; unknown: string[] } {
  const named = (new URLSearchParams(query).get('hide') ?? '').split(',').filter(Boolean);
  const unknown = named.filter((name) => !PARTS.some((part) => part === name));
  return { hidden: new Set(named), unknown };
}

const hidden = typeof location === 'undefined' ? new Set() : hiddenIn(location.search).hidden;

export function shows(part: Part): boolean {
  return !hidden.has(part);
}
