/**
 * Notes when steps arrive from the engine and when maps are drawn, as `window.__seen`. Runs in the page before all else.
 */
export function watch() {
  const seen = { frame: 0, steps: [], draws: [], inputs: [] };
  Object.assign(window, { __seen: seen });
  const tick = () => {
    seen.frame++;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  window.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      // The first to listen, so that it is noted before the page draws anything of it.
      this.addEventListener('message', ({ data }) => {
        if (typeof data?.value?.position !== 'number') return;
        console.timeStamp('attnscope token');
        seen.steps.push({ index: data.value.index, frame: seen.frame, time: performance.now() });
      });
    }
  };
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    if (this.canvas.dataset.map) seen.draws.push({ map: this.canvas.dataset.map, frame: seen.frame });
    return put.apply(this, given);
  };
  new PerformanceObserver((list) => {
    for (const { name, duration, interactionId } of list.getEntries())
      if (interactionId > 0) seen.inputs.push({ name, duration });
  }).observe({ type: 'event', durationThreshold: 16 });
}
