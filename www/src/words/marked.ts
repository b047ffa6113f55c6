import type { Values } from 'attnscope/view';

export interface Part {
  mark: '' | '*' | '**' | '`';
  text: string;
}

const MARKED = /(\*\*|\*|`)(.+?)\1/g;

/** Cuts a text at its marks, and then puts the values in: a value with a star in it marks nothing. */
export function fill(text: string, values: Values = {}): Part[] {
  const put = (part: string) =>
    part.replace(/\{(\w+)\}/g, (place, name) => (Object.hasOwn(values, name) ? String(values[name]) : place));
  const parts: Part[] = [];
  let from = 0;
  for (const { 0: whole, 1: mark, 2: inner, index } of text.matchAll(MARKED)) {
    parts.push({ mark: '', text: put(text.slice(from, index)) }, { mark: mark as Part['mark'], text: put(inner) });
    from = index + whole.length;
  }
  parts.push({ mark: '', text: put(text.slice(from)) });
  return parts.filter(({ text }) => text !== '');
}
