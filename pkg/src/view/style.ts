import { cellProperties } from './palette.js';

const cells = (theme: 'light' | 'dark') =>
  cellProperties(theme)
    .map(([name, value]) => `${name}: ${value};`)
    .join(' ');

/** The style sheet of the player; what a page sets on the element itself, such as its font, is inherited. */
export const STYLE = `
:host {
  display: block;
  color-scheme: light dark;
  --ink: #1b1f24; --mute: #59636d; --line: #868f98; --card: #ffffff; --accent: #0b5cad; --bad: #a63a00;
  ${cells('light')}
  color: var(--ink);
  background: var(--card);
  font: 14px/1.45 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :host {
    --ink: #e8ecef; --mute: #a0abb5; --line: #66717b; --card: #171c22; --accent: #6bb3f2; --bad: #ff9d66;
    ${cells('dark')}
  }
}
:host([hidden]) { display: none; }
.player { display: grid; gap: 10px; padding: 10px; }
.row { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
button {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  min-width: 32px; min-height: 30px; padding: 2px 12px; cursor: pointer;
}
button[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); font-weight: 600; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.key { font-size: 12px; color: var(--mute); }
.key i {
  display: inline-block; width: 11px; height: 11px; margin-right: 5px; vertical-align: -1px; outline: 1px solid var(--line);
}
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(240px, 100%), 1fr)); gap: 12px; }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; justify-content: space-between; gap: 8px; font-weight: 600; }
figcaption small { font-weight: 400; color: var(--mute); }
canvas { display: block; width: 100%; image-rendering: pixelated; outline: 1px solid var(--line); background: var(--cell-empty); }
canvas.map { height: 240px; }
.plot { position: relative; margin-top: 4px; }
canvas.rings { position: absolute; inset: 0; height: 100%; outline: 0; background: none; pointer-events: none; image-rendering: auto; }
canvas[hidden] { display: none; }
canvas.strip { height: 0; outline: 0; background: none; image-rendering: auto; }
canvas.lane { height: 8px; margin-top: 3px; }
p.verdict { min-height: 2.9em; }
p { margin: 4px 0 0; font-size: 12.8px; color: var(--mute); overflow-wrap: anywhere; }
.tokens { font: 13px/1.8 ui-monospace, monospace; max-height: 5.4em; overflow-y: auto; color: var(--ink); }
.tokens span { white-space: pre-wrap; padding: 1px 0; cursor: pointer; }
.tokens .prompt { color: var(--mute); cursor: auto; }
.tokens q { display: block; margin: 4px 0; color: var(--mute); font-family: system-ui, sans-serif; }
.tokens [aria-current] { background: var(--accent); color: var(--card); border-radius: 2px; }
.timeline { position: relative; flex: 1; min-width: 140px; padding-top: 14px; }
.timeline input { width: 100%; margin: 0; min-height: 24px; accent-color: var(--accent); }
/* A slider's thumb is 16 px wide, and its middle is never nearer to an end than half of that. */
.marks { position: absolute; inset: 0 8px auto; height: 14px; font-size: 11px; line-height: 14px; color: var(--mute); }
.marks span { position: absolute; transform: translateX(-50%); }
output { min-width: 90px; font-variant-numeric: tabular-nums; font-size: 12.8px; }
.error { color: var(--bad); padding: 10px; font-size: 14px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`;
