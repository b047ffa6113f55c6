/**
 * A canvas as sharp as the screen is, cleared, to be drawn on in pixels of the style sheet; null where it has no room. A size
 * is set only where it is another: setting one throws the surface away, and this is done in every frame.
 */
export function crisp(
  canvas: HTMLCanvasElement,
  width = canvas.clientWidth,
  height = canvas.clientHeight,
): CanvasRenderingContext2D | null {
  const context = canvas.getContext('2d');
  if (!context || width <= 0 || height <= 0) return null;
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === across && canvas.height === down) context.reset();
  else Object.assign(canvas, { width: across, height: down });
  context.scale(ratio, ratio);
  return context;
}
