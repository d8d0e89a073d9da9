import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createJiti } from 'jiti';
import type { Cache, Config } from '../index.ts';
import { UsageError } from './failure.ts';

/** Looked for in the working directory, in this order. */
const FILES = ['millrace.config.ts', 'millrace.config.js', 'millrace.config.mjs'];

/** What caches of all shapes have in common; a log has no keys that could be inspected. */
export type AnyCache = Omit<
  Cache<unknown>,
  'get' | 'getMany' | 'getOrLoad' | 'has' | 'set' | 'setMany' | 'delete' | 'deleteMany' | 'inspect'
> &
  Partial<Pick<Cache<unknown>, 'inspect'>>;

/** The caches of the configuration file. Runs the file, which may open connections of its own. */
async function loadCaches(file: string | undefined): Promise<AnyCache[]> {
  const path = configPath(file);
  let config: Partial<Config> | undefined;
  try {
    // Not cached on disk: a configuration may hold credentials.
    const jiti = createJiti(import.meta.url, { fsCache: false });
    config = await jiti.import<Partial<Config>>(path, { default: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`the configuration ${path} cannot be loaded: ${reason}`, { cause });
  }
  const caches: unknown = config?.caches;
  if (!Array.isArray(caches) || caches.length === 0 || !caches.every(isCache)) {
    throw new UsageError(
      `the configuration ${path} must export defineConfig({ caches: [...] }) by default, ` +
        'with at least one cache, of any shape',
    );
  }
  const names = caches.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`the configuration ${path} has two caches named ${twice}`);
  return caches;
}

/**
 * Lends the named caches of the configuration, or all of them, and closes them afterwards. What is pending then stays
 * for whoever flushes.
 */
export async function withCaches<T>(
  file: string | undefined,
  names: readonly string[],
  use: (caches: readonly AnyCache[]) => Promise<T>,
): Promise<T> {
  const all = await loadCaches(file);
  const caches = names.length === 0 ? all : names.map((name) => cacheNamed(all, name));
  try {
    return await use(caches);
  } finally {
    await Promise.all(caches.map((cache) => cache.close({ timeout: 0 })));
  }
}

/** The cache of that name, among those of the configuration. */
function cacheNamed(caches: readonly AnyCache[], name: string): AnyCache {
  const found = caches.find((cache) => cache.name === name);
  if (found !== undefined) return found;
  throw new UsageError(
    `there is no cache named ${name}; the configuration has ${caches.map((cache) => cache.name).join(', ')}`,
  );
}

function configPath(file: string | undefined): string {
  if (file !== undefined) {
    if (!existsSync(file)) throw new UsageError(`there is no file ${file}`);
    return resolve(file);
  }
  const found = FILES.find((name) => existsSync(name));
  if (found === undefined) throw new UsageError(`there is no ${FILES.join(', ')} here; write one, or give --config`);
  return resolve(found);
}

/** By what it can do: the configuration may have loaded another copy of the package. */
function isCache(value: unknown): value is AnyCache {
  if (typeof value !== 'object' || value === null) return false;
  const cache = value as Record<string, unknown>;
  return (
    typeof cache['name'] === 'string' &&
    ['stats', 'flush', 'close'].every((method) => typeof cache[method] === 'function')
  );
}
