/** What the main thread of a page did, from a trace of the browser. Times are in milliseconds. */

/** Tasks and frames, as the timeline of the developer tools has them. */
const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline'];

/** In a trace: where it begins, and where a token arrived. */
const [BEGIN, TOKEN] = ['attnscope begin', 'attnscope token'];

/**
 * Traces the page while `work` is done.
 * @param {import('playwright-core').Page} page
 * @param {() => Promise<unknown>} work
 */
export async function profile(page, work) {
  const browser = page.context().browser();
  await browser?.startTracing(page, { categories: CATEGORIES });
  // By this its thread is found among those of all pages.
  await page.evaluate((mark) => console.timeStamp(mark), BEGIN);
  await work();
  const { traceEvents } = JSON.parse(String(await browser?.stopTracing()));
  const marks = (message) => traceEvents.filter((e) => e.name === 'TimeStamp' && e.args?.data?.message === message);
  const [begin] = marks(BEGIN);
  if (!begin) throw new Error('the trace has no mark of the page');
  const all = traceEvents.filter(({ ph, pid, ts }) => ph === 'X' && pid === begin.pid && ts > begin.ts);
  const own = all.filter(({ tid }) => tid === begin.tid);
  const within = ({ ts, dur }, events) => events.filter((e) => e.ts >= ts && e.ts < ts + dur);
  const drawn = own.filter(({ name }) => name === 'FireAnimationFrame');
  const tasks = own
    .filter(({ name }) => name === 'RunTask')
    .map((task) => ({
      wall: task.dur / 1000,
      // Of the thread alone: what other programs take of the machine is not the page's.
      cpu: task.tdur / 1000,
      drew: within(task, drawn).length > 0,
      get parts() {
        const parts = within(task, own).filter((e) => e !== task);
        const longest = parts.toSorted((a, b) => b.dur - a.dur).slice(0, 6);
        return longest.map(({ name, dur }) => `${name} ${(dur / 1000).toFixed(1)}`).join(', ');
      },
    }));
  return { tasks, frames: tasks.filter(({ drew }) => drew), tokens: perToken(all, begin.tid, marks(TOKEN)) };
}

/** By token, what the threads of workers took since the one before. */
function perToken(all, main, marks) {
  const workers = new Set(all.filter(({ name }) => name === 'HandlePostMessage').map(({ tid }) => tid));
  workers.delete(main);
  const tasks = all.filter(({ name, tid }) => name === 'RunTask' && workers.has(tid));
  return marks.slice(1).map(({ ts }, i) => {
    const between = tasks.filter((task) => task.ts >= marks[i].ts && task.ts < ts);
    return between.reduce((sum, { tdur }) => sum + tdur / 1000, 0);
  });
}

/** The value that a part of all values do not pass. */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
