import { type Cache, createCache } from '../../src/index.ts';
import type { CacheOptions } from '../../src/options/cache.ts';
import { type FrontPlace, frontPlaces } from './fronts.ts';

export type FrontKind = keyof typeof frontPlaces;
export const frontKinds = ['memory', 'lmdb', 'redis', 'ioredis'] as const;
/** Fronts that outlive the process and that several processes can share. */
export const sharedKinds = ['lmdb', 'redis', 'ioredis'] as const;

type Open<V> = Omit<CacheOptions<V>, 'front' | 'name'> & Partial<Pick<CacheOptions<V>, 'front' | 'name'>>;

/** The caches of one test: all on one place and of one name, unless told otherwise, and closed at its end. */
export class Stage implements AsyncDisposable {
  readonly place: FrontPlace;
  readonly name: string;
  readonly #caches: Cache<unknown>[] = [];

  private constructor(place: FrontPlace, name: string) {
    this.place = place;
    this.name = name;
  }

  static async on(kind: FrontKind, name = 'c'): Promise<Stage> {
    return new Stage(await frontPlaces[kind](), name);
  }

  /** Another process's view of the cache, as far as a process is needed for that. */
  create<V = unknown>(options: Open<V>): Cache<V> {
    const cache = createCache<V>({ name: this.name, front: options.front ?? this.place.front(), ...options });
    this.#caches.push(cache as Cache<unknown>);
    return cache;
  }

  async open<V = unknown>(options: Open<V>): Promise<Cache<V>> {
    const cache = this.create(options);
    await cache.ready();
    return cache;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.close({ timeout: '2s' })));
    await this.place[Symbol.asyncDispose]();
  }
}

/** Never due by itself. */
export const NEVER = { maxDelay: '1h', lease: '300ms' } as const;
