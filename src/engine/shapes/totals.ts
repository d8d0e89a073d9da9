import { toScaled } from '../../core/decimal.ts';
import { type Deferred, defer } from '../../core/deferred.ts';
import { type LaneHeader } from '../../core/lane.ts';
import { laneOf } from '../../core/lane-of.ts';
import { traitsOf } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import { UNRECOVERED } from '../../ports/front.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import { LOAD_KEYS_MAX } from '../base/settings.ts';

/** Loads in a row that came too late. Each means that a generation was stored meanwhile, so a few are rare. */
const STALE_MAX = 50;
const STALE_PAUSE_MS = 2;

/** A load that was asked for, and has not come to the store yet. */
interface Load {
  readonly key: string;
  readonly lane: number;
  readonly done: Deferred<bigint>;
}

/**
 * The totals of counters: what the store has, plus what it does not have yet. A total that the front does not know is
 * loaded, and made right by the front (see `fillTotals` in `core/lane-deltas.ts`). Loads of one turn share a statement,
 * and whoever asks for a key before its load has come to the store joins it.
 */
export class Totals {
  readonly #context: EngineContext & StoreWith<'totals'>;
  readonly #recover: (lane: number) => Promise<void>;
  readonly #queued = new Map<string, Load>();

  constructor(context: EngineContext & StoreWith<'totals'>, recover: (lane: number) => Promise<void>) {
    this.#context = context;
    this.#recover = recover;
  }

  async get(key: string): Promise<bigint> {
    const { front, settings, counts } = this.#context;
    const lane = laneOf(key, settings.lanes);
    const raw = await front.read(lane, key);
    if (raw === UNRECOVERED) {
      await this.#recover(lane);
      return this.get(key);
    }
    if (raw === undefined) return this.#load(lane, key);
    counts.hits++;
    return BigInt(raw);
  }

  /** Totals in the order of `keys`. */
  async getMany(keys: readonly string[]): Promise<bigint[]> {
    const { front, settings, counts } = this.#context;
    const lanes = keys.map((key) => laneOf(key, settings.lanes));
    const raws = await front.readMany(lanes, keys);
    if (raws === UNRECOVERED) return Promise.all(keys.map((key) => this.get(key)));
    return Promise.all(
      raws.map((raw, i) => {
        if (raw === undefined) return this.#load(lanes[i] as number, keys[i] as string);
        counts.hits++;
        return BigInt(raw);
      }),
    );
  }

  /** Makes the front know these totals. */
  async fill(lane: number, keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#load(lane, key)));
  }

  #load(lane: number, key: string): Promise<bigint> {
    this.#context.counts.misses++;
    let load = this.#queued.get(key);
    if (load === undefined) {
      load = { key, lane, done: defer<bigint>() };
      if (this.#queued.size === 0) this.#context.clock.soon(() => this.#loadQueued());
      this.#queued.set(key, load);
    }
    return load.done.promise;
  }

  #loadQueued(): void {
    const loads = [...this.#queued.values()];
    this.#queued.clear();
    for (let from = 0; from < loads.length; from += LOAD_KEYS_MAX) {
      const part = loads.slice(from, from + LOAD_KEYS_MAX);
      this.#loadAll(part).catch((error: unknown) => {
        for (const load of part) load.done.reject(error);
      });
    }
  }

  async #loadAll(loads: readonly Load[]): Promise<void> {
    const { store, counts, clock, settings } = this.#context;
    let left = loads;
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt >= STALE_MAX)
        throw new MillraceError(
          'MILLRACE_FRONT_UNAVAILABLE',
          'The counters were flushed again and again while they were loaded; try again.',
          { cache: settings.name },
        );
      if (attempt > 2) await new Promise<void>((resolve) => clock.after(STALE_PAUSE_MS * attempt, resolve, true));
      const lanes = [...new Set(left.map(({ lane }) => lane))];
      const headers = await Promise.all(lanes.map((lane) => this.#header(lane)));
      counts.loads += left.length;
      const { totals, generations } = await store.totals.load(
        lanes,
        left.map(({ key }) => key),
      );
      const stale = await Promise.all(
        lanes.map((lane, i) =>
          this.#fill(
            lane,
            left.filter((load) => load.lane === lane),
            totals,
            generations.get(lane) ?? 0,
            headers[i] as LaneHeader,
          ),
        ),
      );
      left = stale.flat();
    }
  }

  /** The lane before a load: what is invalidated from then on makes the load stale. */
  async #header(lane: number): Promise<LaneHeader> {
    const { header, current } = await this.#context.front.header(lane);
    if (current && header !== undefined) return header;
    await this.#recover(lane);
    return this.#header(lane);
  }

  /** Returns what has to be loaded again. */
  async #fill(
    lane: number,
    loads: readonly Load[],
    totals: ReadonlyMap<string, string>,
    generation: number,
    { epoch, invalidations }: LaneHeader,
  ): Promise<readonly Load[]> {
    const { front, settings } = this.#context;
    const scale = traitsOf(settings.shape).scale;
    const good: Load[] = [];
    const stored: bigint[] = [];
    for (const load of loads) {
      const text = totals.get(load.key) ?? '0';
      const scaled = toScaled(text, scale);
      if (scaled === undefined || scaled > settings.sumMax || scaled < -settings.sumMax)
        load.done.reject(this.#unreadable(load.key));
      else {
        good.push(load);
        stored.push(scaled);
      }
    }
    const result = await front.fillTotals(lane, {
      keys: good.map(({ key }) => key),
      stored,
      generation,
      epoch,
      invalidations,
      shape: settings.shape,
      limit: settings.sumMax,
      ttlMs: settings.ttlMs,
    });
    switch (result.kind) {
      case 'totals':
        good.forEach((load, i) => {
          const total = result.totals[i];
          if (total === undefined) load.done.reject(this.#unreadable(load.key));
          else load.done.resolve(total);
        });
        return [];
      case 'stale':
      case 'unrecovered':
        return good;
      case 'stopped':
        throw new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${lane} tells no totals: ${result.reason}.`, {
          cache: settings.name,
          lane,
        });
    }
  }

  #unreadable(key: string): MillraceError {
    const { name, sumMax, shape } = this.#context.settings;
    return new MillraceError(
      'MILLRACE_VALUE',
      `The total of "${key}" is beyond ${sumMax} (in its smallest unit), or has more than ${traitsOf(shape).scale} ` +
        'decimals in the store. Use bigint: true, or a larger scale.',
      { cache: name, key },
    );
  }
}
