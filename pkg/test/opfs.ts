/** A private file system in memory, with the calls that the package makes and the failures it has to live with. */

/** What goes wrong. */
export const opfs = {
  files: new Map<string, Uint8Array>(),
  /** Bytes that have room. */
  quota: Number.POSITIVE_INFINITY,
  locked: new Set<string>(),
};

export function resetOpfs(): void {
  opfs.files = new Map();
  opfs.locked = new Set();
  opfs.quota = Number.POSITIVE_INFINITY;
}

const fail = (name: string): never => {
  throw new DOMException(name, name);
};
const bytesOf = (name: string) => opfs.files.get(name) ?? fail('NotFoundError');

class Access {
  constructor(private readonly name: string) {}
  getSize(): number {
    return bytesOf(this.name).length;
  }
  read(into: Uint8Array, { at }: { at: number }): number {
    const part = bytesOf(this.name).subarray(at, at + into.length);
    into.set(part);
    return part.length;
  }
  write(bytes: Uint8Array, { at }: { at: number }): number {
    const before = bytesOf(this.name);
    const used = [...opfs.files.values()].reduce((sum, file) => sum + file.length, 0);
    if (used + at + bytes.length - before.length > opfs.quota) fail('QuotaExceededError');
    const after = new Uint8Array(Math.max(before.length, at + bytes.length));
    after.set(before);
    after.set(bytes, at);
    opfs.files.set(this.name, after);
    return bytes.length;
  }
  truncate(length: number): void {
    opfs.files.set(this.name, bytesOf(this.name).slice(0, length));
  }
  flush(): void {}
  close(): void {
    opfs.locked.delete(this.name);
  }
}

const handle = (name: string) => ({
  async getFile() {
    return new File([bytesOf(name) as Uint8Array<ArrayBuffer>], name);
  },
  async move(to: string) {
    opfs.files.set(to, bytesOf(name));
    opfs.files.delete(name);
  },
  async createSyncAccessHandle() {
    if (opfs.locked.has(name)) fail('NoModificationAllowedError');
    opfs.locked.add(name);
    return new Access(name);
  },
});

const folder = {
  async *keys() {
    yield* [...opfs.files.keys()];
  },
  async getFileHandle(name: string, { create = false } = {}) {
    if (!opfs.files.has(name)) create ? opfs.files.set(name, new Uint8Array()) : fail('NotFoundError');
    return handle(name);
  },
  async removeEntry(name: string) {
    if (opfs.locked.has(name)) fail('NoModificationAllowedError');
    if (!opfs.files.delete(name)) fail('NotFoundError');
  },
};

export const navigatorWithOpfs = {
  storage: { getDirectory: async () => ({ getDirectoryHandle: async () => folder }) },
};

/** The class of a file, as workers and pages know it. */
export const fileClass = (isPage: boolean) => ({
  prototype: isPage ? {} : { createSyncAccessHandle: () => undefined },
});
