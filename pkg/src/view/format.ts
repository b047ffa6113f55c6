/** Numbers for people: fixed forms, so that a screenshot means the same everywhere. */
import { say } from './words.js';

const THIN = '\u202f';

export function count(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** Decimal units, as download dialogs and disk makers count. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ['kB', 'MB', 'GB'];
  let value = n / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A share as a percentage: no digits that say nothing, and never 0 or 100 when it is not. */
export function percent(share: number): string {
  const p = share * 100;
  if (p > 0 && p < 1) return p < 0.1 ? '<\u20090.1\u00a0%' : `${p.toFixed(1)}\u00a0%`;
  if (p > 99 && p < 100) return '>\u200999\u00a0%';
  return `${Math.round(p)}\u00a0%`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? say('{s} s', { s }) : say('{m} min {s} s', { m: Math.floor(s / 60), s: s % 60 });
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return say(`{n} ${n === 1 ? one : many}`, { n: count(n) });
}

/** A token with its white space made visible. */
export function visible(text: string): string {
  return text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣');
}
