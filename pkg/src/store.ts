/**
 * Models kept in the browser: a folder in the origin's private file system (OPFS). Every name has a record `<id>.json`,
 * while it is downloaded a file `<id>.part`, and when that is complete and checked a file `<sha256>.gguf`, which names of
 * the same bytes share. Files without the last name do not count, whatever was interrupted.
 */
import { AttnscopeError } from './errors.js';

/** What is known of a name. */
export interface Kept {
  name: string;
  url: string;
  /** What the server calls this state of the file: its ETag, or when it was changed. */
  validator: string | null;
  /** Bytes in all, when the server said so. */
  total: number | null;
  /** When it was complete. */
  sha256: string | null;
}

/** What TypeScript's list of a page does not have, since only workers do. */
export interface SyncAccess {
  getSize(): number;
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(bytes: number): void;
  flush(): void;
  close(): void;
}
interface FileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccess>;
  move?(name: string): Promise<void>;
}

const FOLDER = 'attnscope';

export class Store {
  private constructor(private readonly folder: FileSystemDirectoryHandle) {}

  /** The folder; null where there is none: in Node, in private windows of some browsers, without a secure context. */
  static async open(): Promise<Store | null> {
    try {
      const root = await navigator.storage.getDirectory();
      return new Store(await root.getDirectoryHandle(FOLDER, { create: true }));
    } catch {
      return null;
    }
  }

  /** Records of all names. */
  async records(): Promise<Kept[]> {
    const names: string[] = [];
    for await (const name of this.folder.keys()) if (name.endsWith('.json')) names.push(name);
    const records = await Promise.all(names.map((name) => this.#read(name)));
    return records.filter((record) => record !== null);
  }

  async record(name: string): Promise<Kept | null> {
    const record = await this.#read(`${await idOf(name)}.json`);
    return record?.name === name ? record : null;
  }

  /** Only in a worker. */
  async note(record: Kept): Promise<void> {
    const access = await this.access(`${await idOf(record.name)}.json`);
    try {
      access.truncate(0);
      access.write(new TextEncoder().encode(JSON.stringify(record)), { at: 0 });
      access.flush();
    } finally {
      access.close();
    }
  }

  /** The bytes of a file, or null when there is none. */
  async file(name: string): Promise<File | null> {
    return this.folder.getFileHandle(name).then(
      (handle) => handle.getFile(),
      () => null,
    );
  }

  /** A file to write, made when there is none; nobody else can write it until it is closed. Only in a worker. */
  async access(name: string): Promise<SyncAccess> {
    // Before a file is made that nobody could write.
    if (!('createSyncAccessHandle' in FileSystemFileHandle.prototype)) {
      throw new AttnscopeError('unsupported', 'Files are written by workers only.');
    }
    const handle = (await this.folder.getFileHandle(name, { create: true })) as FileHandle;
    return handle.createSyncAccessHandle();
  }

  async rename(name: string, to: string): Promise<void> {
    const handle = (await this.folder.getFileHandle(name)) as FileHandle;
    if (!handle.move) throw new AttnscopeError('unsupported', 'This browser cannot rename files.');
    await handle.move(to);
  }

  /** Removes a file, if it is there. */
  async remove(name: string): Promise<void> {
    await this.folder.removeEntry(name).catch((thrown: unknown) => {
      if (!(thrown instanceof DOMException && thrown.name === 'NotFoundError')) throw thrown;
    });
  }

  /** Removes what a record made of a name, unless another name has it too. */
  async release({ name, sha256 }: Kept): Promise<void> {
    if (sha256 === null) return;
    const others = (await this.records()).filter((other) => other.name !== name && other.sha256 === sha256);
    if (others.length === 0) await this.remove(`${sha256}.gguf`);
  }

  async #read(file: string): Promise<Kept | null> {
    try {
      return asRecord(JSON.parse((await (await this.file(file))?.text()) ?? 'null'));
    } catch {
      // Cut short when it was written: as if it had not been.
      return null;
    }
  }
}

/** What a name's files begin with. */
export async function idOf(name: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name));
  return [...new Uint8Array(hash, 0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function asRecord(given: unknown): Kept | null {
  const { name, url, validator, total, sha256 } = Object(given) as Record<keyof Kept, unknown>;
  const isText = (value: unknown) => value === null || typeof value === 'string';
  const sound =
    typeof name === 'string' &&
    typeof url === 'string' &&
    isText(validator) &&
    (total === null || Number.isSafeInteger(total)) &&
    (sha256 === null || (typeof sha256 === 'string' && isSha256(sha256)));
  return sound ? ({ name, url, validator, total, sha256 } as Kept) : null;
}

export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
