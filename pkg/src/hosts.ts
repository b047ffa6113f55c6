/**
 * Star Attention on several hosts: each is a worker with an engine, the weights and its share of the KV cache. They read
 * the context without a word; then every layer of every token costs one exchange of `(output, log-sum-exp)`, which this
 * thread passes on. A host that dies, or is silent for too long, ends the run, and with it all hosts.
 */
import { generateOptions, readOptions } from './checks.js';
import { AttnscopeError, noneBetween, throwIfAborted } from './errors.js';
import { Exchange } from './exchange.js';
import { following, Group } from './group.js';
import { join } from './join.js';
import type { PortEvents, RemoteEngine, RemoteModel, RemoteSession } from './remote.js';
import type * as Api from './types.js';
import type { Order } from './watch.js';

/** Starts one host's engine. */
export type StartHost = (events: PortEvents) => Promise<RemoteEngine>;

/** Starts `count` hosts, each of which may be silent for `limit` milliseconds while it has work to do. */
export async function openHosts(count: number, limit: number, start: StartHost): Promise<Api.Engine> {
  const group = new Group(count, limit);
  group.engines = await group.each((host) => start(group.events(host)), { undo: (engine) => engine.close() });
  return new HostsEngine(group);
}

class HostsEngine implements Api.Engine {
  readonly methods: readonly Api.MethodInfo[];

  constructor(private readonly group: Group) {
    this.methods = group.engines[0].methods;
  }

  async load(source: Api.Source, options?: Api.ReadOptions): Promise<Api.Model> {
    const { signal, onProgress, ...rest } = readOptions(source, options);
    const sources = copies(source, this.group.hosts.length);
    const seen = new Map<number, Api.LoadProgress>();
    const report = (host: number) => (progress: Api.LoadProgress) => {
      seen.set(host, progress);
      if (seen.size === this.group.hosts.length) onProgress?.(together([...seen.values()]));
    };
    const models = await this.group.each(
      (host, signal) => this.group.engines[host].load(sources[host], { ...rest, signal, onProgress: report(host) }),
      { signal, undo: (model) => model.close() },
    );
    return new HostsModel(this.group, models);
  }

  async gpu(): Promise<Api.GpuInfo> {
    throw new AttnscopeError('unsupported', 'Hosts compute on the CPU.');
  }

  async close(): Promise<void> {
    // Hosts that are lost have nothing left to close.
    await Promise.allSettled(
      this.group.engines.map((engine, host) => this.group.watch.during(host, () => engine.close())),
    );
  }
}

class HostsModel implements Api.Model {
  readonly info: Api.ModelInfo;
  readonly methods: readonly Api.MethodInfo[];

  constructor(
    private readonly group: Group,
    private readonly models: readonly RemoteModel[],
  ) {
    this.info = models[0].info;
    this.methods = models[0].methods;
  }

  encode(text: string, options?: Api.EncodeOptions): Promise<Uint32Array> {
    return this.group.watch.during(0, () => this.models[0].encode(text, options));
  }

  decode(ids: Uint32Array | readonly number[]): Promise<string> {
    return this.group.watch.during(0, () => this.models[0].decode(ids));
  }

  prompt(prompt: Api.Prompt): Promise<Api.PromptTokens> {
    return this.group.watch.during(0, () => this.models[0].prompt(prompt));
  }

  chat(messages: readonly Api.ChatMessage[]): Promise<string> {
    return this.group.watch.during(0, () => this.models[0].chat(messages));
  }

  encodeTurn(messages: readonly Api.ChatMessage[], last: number): Promise<Uint32Array> {
    return this.group.watch.during(0, () => this.models[0].encodeTurn(messages, last));
  }

  advise(options?: Api.AdviseOptions): Promise<Api.AdviceList> {
    return this.group.watch.during(0, () => this.models[0].advise(options));
  }

  async session(options: Api.SessionOptions): Promise<Api.Session> {
    const hosts = this.models.length;
    const open = (number: number) => this.models[number].session(options, { number, hosts });
    const sessions = await this.group.each((host) => this.group.watch.during(host, () => open(host)), {
      undo: (session) => session.close(),
    });
    return new HostsSession(this.group, sessions);
  }

  async restore(): Promise<Api.Session> {
    throw new AttnscopeError('unsupported', 'Sessions are saved and restored without hosts.');
  }

  async close(): Promise<void> {
    await this.group.each((host) => this.group.watch.during(host, () => this.models[host].close()));
  }
}

class HostsSession implements Api.Session {
  readonly options: Api.SessionOptions;

  constructor(
    private readonly group: Group,
    private readonly sessions: readonly RemoteSession[],
  ) {
    this.options = sessions[0].options;
  }

  async *generate(prompt: Api.Prompt, options?: Api.GenerateOptions): Api.Steps {
    const { group } = this;
    const { signal, onProgress, ...rest } = generateOptions(options);
    throwIfAborted(signal);
    const exchange = new Exchange(this.sessions.length);
    const orders: Order[] = [];
    const { stop, release } = following(signal);
    // Also those that wait for the others are now to answer.
    stop.signal.addEventListener('abort', () => orders.forEach((order) => void group.watch.resume(order)));
    const seen = new Map<number, Api.GenerateProgress>();
    // Hosts report in any case, as a sign of life; records that nobody hears of go to the host's next step.
    const unheard: Uint8Array[][] = this.sessions.map(() => []);
    const report = (host: number) => (progress: Api.GenerateProgress) => {
      if (!onProgress && progress.trace) unheard[host].push(progress.trace);
      seen.set(host, progress);
      const sum = (of: (progress: Api.GenerateProgress) => number) => total([...seen.values()], of);
      onProgress?.({ done: sum((p) => p.done), total: sum((p) => p.total), trace: progress.trace, host });
    };
    const runs = this.sessions.map((session, host) =>
      session.run(prompt, { ...rest, signal: stop.signal, onProgress: report(host) }, (partial) =>
        group.watch.aside(orders[host], exchange.give(host, partial)),
      ),
    );
    const next = (host: number, choice: number | undefined) =>
      group.watch.during(host, (order) => {
        orders[host] = order;
        return runs[host].next(choice).catch((thrown: unknown) => {
          // The others may be waiting for this one's partial.
          stop.abort();
          throw thrown;
        });
      });
    try {
      let choice: number | undefined;
      for (;;) {
        const before = exchange.bytes;
        const results = await group.each((host) => next(host, choice));
        const steps = results.flatMap(({ value }, host) =>
          value ? { ...value, trace: joined([...unheard[host].splice(0), value.trace]) } : [],
        );
        if (steps.length === 0) return;
        const step = this.#agree(steps);
        choice = yield { ...step, exchangedBytes: exchange.bytes - before };
      }
    } finally {
      release();
      await Promise.allSettled(runs.map((run, host) => group.watch.during(host, () => run.return())));
    }
  }

  async divergence(): Promise<number> {
    throw noneBetween();
  }

  async stats(): Promise<Api.Stats> {
    const stats = await this.group.each((host) => this.group.watch.during(host, () => this.sessions[host].stats()));
    const sum = (of: (stats: Api.Stats) => number) => total(stats, of);
    return {
      kvBytes: sum((s) => s.kvBytes),
      allocatedBytes: sum((s) => s.allocatedBytes),
      wasmBytes: sum((s) => s.wasmBytes),
      backend: 'cpu',
      fallback: null,
    };
  }

  async save(): Promise<ArrayBuffer> {
    throw new AttnscopeError('unsupported', 'Sessions are saved and restored without hosts.');
  }

  async close(): Promise<void> {
    await this.group.each((host) => this.group.watch.during(host, () => this.sessions[host].close()));
  }

  /** The last host's step, with the counts of all. */
  #agree(hosts: Api.Step[]): Api.Step {
    const last = hosts[hosts.length - 1];
    const other = hosts.findIndex(({ id }) => id !== last.id);
    if (other >= 0 || hosts.length < this.sessions.length) {
      throw this.group.lose(Math.max(other, 0), 'it is not where the last one is');
    }
    const sum = (of: (step: Api.Step) => number) => total(hosts, of);
    return {
      ...last,
      read: sum((s) => s.read),
      kept: sum((s) => s.kept),
      kvBytes: sum((s) => s.kvBytes),
      readBytes: sum((s) => s.readBytes),
      trace: null,
      hosts,
    };
  }
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

/** Trace blocks one after the other; null without any. */
function joined(blocks: readonly (Uint8Array | null)[]): Uint8Array | null {
  const given = blocks.filter((block) => block !== null);
  if (given.length < 2) return given[0] ?? null;
  return join(given);
}

/** Bytes of all hosts together, in the stage of the one that is least far. */
function together(seen: readonly Api.LoadProgress[]): Api.LoadProgress {
  const known = seen.every((progress) => progress.total !== null);
  return {
    stage: seen.find(({ stage }) => stage !== 'ready')?.stage ?? 'ready',
    loaded: total(seen, (progress) => progress.loaded),
    total: known ? total(seen, (progress) => progress.total ?? 0) : null,
  };
}

/** What can be read once only is parted; a URL, a Blob or bytes can be read by every host. */
function copies(source: Api.Source, hosts: number): Api.Source[] {
  const parted: Api.Source[] = [];
  let rest = source;
  for (let more = hosts - 1; more > 0; more--) {
    if (rest instanceof ReadableStream) {
      const [one, other] = rest.tee();
      parted.push(one);
      rest = other;
    } else {
      parted.push(rest instanceof Response || rest instanceof Request ? rest.clone() : rest);
    }
  }
  return [...parted, rest];
}
