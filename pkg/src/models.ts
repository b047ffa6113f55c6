/** Models that `load` has kept in this browser. */
import { AttnscopeError } from './errors.js';
import { idOf, Store } from './store.js';

/** A model that is kept, or on its way. */
export interface KeptModel {
  /** As `cache: { name }` said; else its address. */
  name: string;
  url: string;
  /** Bytes that are here. */
  bytes: number;
  /** Bytes in all, when the server said so. */
  total: number | null;
  /** Of the whole file; null while it is not complete. */
  sha256: string | null;
}

/** What `load` with `cache` has kept in this browser, unfinished downloads included. Empty where nothing can be kept. */
export async function models(): Promise<KeptModel[]> {
  const store = await Store.open();
  if (!store) return [];
  const found = (await store.records()).map(async ({ name, url, total, sha256 }): Promise<KeptModel[]> => {
    const complete = sha256 && (await store.file(`${sha256}.gguf`));
    if (complete) return [{ name, url, bytes: complete.size, total: complete.size, sha256 }];
    const part = await store.file(`${await idOf(name)}.part`);
    return part ? [{ name, url, bytes: part.size, total, sha256: null }] : [];
  });
  return (await Promise.all(found)).flat().sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * Removes a kept model by its name; false when there is none. Sessions that run are not disturbed. Fails with `state` while
 * it is being downloaded.
 */
export async function removeModel(name: string): Promise<boolean> {
  const store = await Store.open();
  const record = await store?.record(name);
  if (!store || !record) return false;
  const id = await idOf(name);
  try {
    await store.remove(`${id}.part`);
    await store.release(record);
    await store.remove(`${id}.json`);
  } catch (thrown) {
    throw new AttnscopeError('state', `${name} is in use.`, { cause: thrown });
  }
  return true;
}
