import type { Border } from './engine.js';
import { AttnscopeError, attempt, toError } from './errors.js';
import type * as Api from './types.js';

/** Reads the file of the projector. */
export type ReadProjector = () => Promise<Uint8Array>;

/** Makes rows of pictures; what it needs is read when the first picture comes. */
export class Pictures {
  #projector: Promise<InstanceType<Border['Projector']>> | undefined;

  constructor(
    private readonly border: Border,
    private readonly read: ReadProjector,
  ) {}

  /** Rows of all pictures, one after the other. */
  async rows(pictures: readonly Api.Pixels[]): Promise<Float32Array> {
    if (pictures.length === 0) return new Float32Array();
    this.#projector ??= this.read()
      .then((bytes) => attempt(() => new this.border.Projector(bytes)))
      .catch((thrown: unknown) => {
        // A file that did not come (offline, say) may be asked for again.
        this.#projector = undefined;
        throw toError(thrown);
      });
    const projector = await this.#projector;
    const parts = pictures.map(({ data, width, height }) =>
      attempt(() => projector.rows(new Uint8Array(data.buffer, data.byteOffset, data.length), width, height)),
    );
    // Every picture has as many.
    const each = parts[0].length;
    const all = new Float32Array(each * parts.length);
    parts.forEach((part, i) => void all.set(part, each * i));
    return all;
  }
}

/** The file beside this module, or the one that was given. */
export function fetchProjector(source?: Api.ProjectorSource): ReadProjector {
  return async () => {
    if (source && typeof source !== 'string' && !(source instanceof URL)) {
      return source instanceof Uint8Array ? source : new Uint8Array(source);
    }
    // The address stays a literal: bundlers look for exactly this form.
    const url = source ?? new URL('./picture_projector.safetensors', import.meta.url);
    const response = await fetch(url).catch((thrown: unknown) => {
      throw new AttnscopeError('network', 'The file that pictures need did not come.', { cause: thrown });
    });
    if (!response.ok) throw new AttnscopeError('http', `The file that pictures need: status ${response.status}.`);
    return new Uint8Array(await response.arrayBuffer());
  };
}
