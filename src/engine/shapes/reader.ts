import { type Deferred, defer } from '../../core/deferred.ts';
import { laneOf } from '../../core/lane-of.ts';
import { isValue, NO_FILL, readSlot } from '../../core/slot.ts';
import { UNRECOVERED } from '../../ports/front.ts';
import type { EngineContext } from '../base/context.ts';
import { FILL_TOKEN_MS, FILL_WAIT_MS, WRITE_BYTES_MAX, WRITE_KEYS_MAX } from '../base/settings.ts';

/** A load of one key under way in this process. */
interface Load {
  readonly key: string;
  readonly lane: number;
  readonly token: string;
  readonly done: Deferred<LoadResult>;
}

/** `again`: the slot was not empty after all; look at it again. */
type LoadResult = { readonly kind: 'loaded'; readonly json: string | undefined } | { readonly kind: 'again' };

const AGAIN: LoadResult = { kind: 'again' };
/** Polls of another process's load: first and longest wait. */
const POLL_MS_MIN = 2;
const POLL_MS_MAX = 50;

/**
 * Reads through the front. A hit is the answer, pending or not. A miss puts a fill token into the slot, loads from
 * the store and fills by compare-and-set on the token, so a slow reader never puts back an old value. Misses of one
 * turn share a statement, misses of one key share a load.
 */
export class Reader {
  readonly #context: EngineContext;
  readonly #recover: (lane: number) => Promise<void>;
  /** By key: loads that have not asked the store yet, which every reader may join. */
  readonly #loads = new Map<string, Load>();
  /** By token, then key: loads that have asked the store. Only a reader that sees their token may join. */
  readonly #asked = new Map<string, Map<string, Load>>();
  #queued: Load[] = [];
  /** Shared by the loads of one turn: what a token tells apart is loads, and they are one. */
  #queuedToken = '';
  readonly #refreshing = new Set<string>();
  /** A value that has less than this to live is refreshed when it is read. */
  readonly #refreshBelowMs: number | undefined;

  constructor(context: EngineContext, recover: (lane: number) => Promise<void>) {
    this.#context = context;
    this.#recover = recover;
    const { ttlMs, refreshAhead } = context.settings;
    this.#refreshBelowMs = ttlMs === undefined || refreshAhead === undefined ? undefined : ttlMs * (1 - refreshAhead);
  }

  /** The key's JSON text, or undefined. */
  async get(key: string): Promise<string | undefined> {
    const { front, settings, counts } = this.#context;
    const lane = laneOf(key, settings.lanes);
    const raw = await (this.#refreshBelowMs === undefined
      ? front.read(lane, key)
      : this.#readAhead(lane, key, this.#refreshBelowMs));
    if (!isValue(raw)) return this.#resolve(lane, key, raw);
    counts.hits++;
    return raw;
  }

  /** JSON texts by key; keys without a value are missing. */
  async getMany(keys: readonly string[]): Promise<Map<string, string>> {
    const { settings, front, counts } = this.#context;
    const distinct = [...new Set(keys)];
    const lanes = distinct.map((key) => laneOf(key, settings.lanes));
    const raws = await front.readMany(lanes, distinct);
    const found = new Map<string, string>();
    const others: Promise<void>[] = [];
    distinct.forEach((key, i) => {
      const raw = raws === UNRECOVERED ? UNRECOVERED : raws[i];
      if (isValue(raw)) {
        counts.hits++;
        found.set(key, raw);
        return;
      }
      others.push(
        this.#resolve(lanes[i] as number, key, raw).then(
          (json) => void (json === undefined ? undefined : found.set(key, json)),
        ),
      );
    });
    if (others.length > 0) await Promise.all(others);
    return found;
  }

  async #resolve(
    lane: number,
    key: string,
    first: string | undefined | typeof UNRECOVERED,
  ): Promise<string | undefined> {
    const { front, counts, clock } = this.#context;
    let raw = first;
    let waitedMs = 0;
    let pollMs = POLL_MS_MIN;
    for (;;) {
      if (raw === UNRECOVERED) {
        await this.#recover(lane);
        raw = await front.read(lane, key);
        continue;
      }
      const slot = readSlot(raw);
      switch (slot.kind) {
        case 'value':
        case 'refreshing':
          counts.hits++;
          return slot.json;
        case 'tombstone':
          counts.hits++;
          return undefined;
        case 'intent':
          // A write-through is under way: what is committed is in the store, and nobody may fill.
          counts.misses++;
          return (await this.#loadDirectly([key])).get(key);
        case 'empty': {
          counts.misses++;
          const result = await this.#join(lane, key);
          if (result.kind === 'loaded') return result.json;
          break;
        }
        case 'filling': {
          const own = this.#own(key, slot.token);
          if (own !== undefined) {
            counts.misses++;
            const result = await own.done.promise;
            if (result.kind === 'loaded') return result.json;
            break;
          }
          if (waitedMs >= FILL_WAIT_MS) {
            counts.misses++;
            return (await this.#loadDirectly([key])).get(key);
          }
          const ms = pollMs;
          await new Promise<void>((resolve) => clock.after(ms, resolve, true));
          waitedMs += ms;
          pollMs = Math.min(POLL_MS_MAX, pollMs * 2);
          break;
        }
      }
      raw = await front.read(lane, key);
    }
  }

  #own(key: string, token: string): Load | undefined {
    const load = this.#loads.get(key);
    return load?.token === token ? load : this.#asked.get(token)?.get(key);
  }

  /**
   * The load that a reader who found an empty slot waits for. One that has asked the store already may have read
   * from before a write that this reader must see (the write's slot is gone again), so it is not joined.
   */
  #join(lane: number, key: string): Promise<LoadResult> {
    const running = this.#loads.get(key);
    if (running !== undefined) return running.done.promise;
    this.#context.breaker.check();
    if (this.#queued.length === 0) {
      this.#queuedToken = this.#context.random.token();
      this.#context.clock.soon(() => void this.#loadQueued());
    }
    const load: Load = { key, lane, token: this.#queuedToken, done: defer<LoadResult>() };
    this.#loads.set(key, load);
    this.#queued.push(load);
    return load.done.promise;
  }

  async #loadQueued(): Promise<void> {
    const loads = this.#queued;
    this.#queued = [];
    try {
      await this.#load(loads);
    } catch (error) {
      for (const load of loads) load.done.reject(error);
    } finally {
      for (const load of loads) {
        this.#forget(load);
        load.done.resolve(AGAIN);
      }
    }
  }

  /** No reader who finds an empty slot joins it any more. */
  #forget(load: Load): void {
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
  }

  async #load(loads: readonly Load[]): Promise<void> {
    const { front, settings } = this.#context;
    const { token } = loads[0] as Load;
    const granted = new Set<Load>();
    await Promise.all(
      partsOf(loads).map(async ({ lane, loads: group }) => {
        const result = await front.beginFill(
          lane,
          group.map(({ key }) => key),
          token,
          FILL_TOKEN_MS,
        );
        if (result.kind === 'unrecovered') {
          await this.#recover(lane);
          return;
        }
        group.forEach((load, i) => {
          const slot = result.slots[i];
          if (slot === undefined || slot === NO_FILL) granted.add(load);
        });
      }),
    );
    for (const load of loads) {
      this.#forget(load);
      if (!granted.has(load)) load.done.resolve(AGAIN);
    }
    if (granted.size === 0) return;
    this.#asked.set(token, new Map([...granted].map((load) => [load.key, load])));
    let found = new Map<string, string>();
    try {
      found = await this.#loadDirectly([...granted].map(({ key }) => key));
      for (const load of granted) load.done.resolve({ kind: 'loaded', json: found.get(load.key) });
    } finally {
      // Also after a failure: the token must not keep others waiting.
      await Promise.all(
        partsOf(granted, found).map(({ lane, loads: group }) =>
          front.endFill(
            lane,
            group.map(({ key }) => key),
            token,
            group.map(({ key }) => found.get(key)),
            settings.ttlMs,
          ),
        ),
      ).finally(() => this.#asked.delete(token));
    }
  }

  async #loadDirectly(keys: readonly string[]): Promise<Map<string, string>> {
    this.#context.counts.loads += keys.length;
    return this.#context.store.load(keys);
  }

  // Refresh ahead.

  async #readAhead(lane: number, key: string, belowMs: number): Promise<string | undefined | typeof UNRECOVERED> {
    const { breaker, front } = this.#context;
    const read = await front.readWithTtl(lane, key);
    if (read === UNRECOVERED) return UNRECOVERED;
    if (
      read.ttlMs !== undefined &&
      read.ttlMs < belowMs &&
      readSlot(read.raw).kind === 'value' &&
      !this.#refreshing.has(key) &&
      breaker.width > 0
    ) {
      this.#refreshing.add(key);
      void this.#refresh(lane, key)
        .catch((cause: unknown) =>
          this.#context.events.emit('warning', {
            message: `Refreshing key "${key}" ahead of its expiry failed: ${String((cause as Error).message)}`,
          }),
        )
        .finally(() => this.#refreshing.delete(key));
    }
    return read.raw;
  }

  async #refresh(lane: number, key: string): Promise<void> {
    const { front, random, settings } = this.#context;
    const token = random.token();
    const begun = await front.beginRefresh(lane, [key], token);
    if (begun.kind === 'unrecovered' || begun.slots[0] !== undefined) return;
    const found = await this.#loadDirectly([key]);
    await front.endFill(lane, [key], token, [found.get(key)], settings.ttlMs);
  }
}

/** Loads of a lane that go in one step. */
interface Part {
  readonly lane: number;
  readonly loads: Load[];
  bytes: number;
}

/** By lane, and no more in a part, with what was found for it, than a write step may have. */
function partsOf(loads: Iterable<Load>, found?: ReadonlyMap<string, string>): Part[] {
  const parts: Part[] = [];
  const last = new Map<number, Part>();
  for (const load of loads) {
    const bytes = found?.get(load.key)?.length ?? 0;
    let part = last.get(load.lane);
    if (part === undefined || part.loads.length >= WRITE_KEYS_MAX || part.bytes + bytes > WRITE_BYTES_MAX) {
      part = { lane: load.lane, loads: [], bytes: 0 };
      last.set(load.lane, part);
      parts.push(part);
    }
    part.loads.push(load);
    part.bytes += bytes;
  }
  return parts;
}
