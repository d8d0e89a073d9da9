import { laneOf } from '../../core/lane-of.ts';
import type { SlotsDone } from '../../core/lane-slots.ts';
import { isMillraceError, MillraceError } from '../../errors.ts';
import type { Mutation } from '../../ports/store.ts';
import { StoreHeldBack } from '../base/breaker.ts';
import type { EngineContext } from '../base/context.ts';
import { COMMIT_KEYS_MAX, INTENT_MS, WRITE_BYTES_MAX } from '../base/settings.ts';

interface Entry {
  readonly mutation: Mutation;
  readonly ttlMs: number | undefined;
}

/** A write and who waits for it. */
interface Caller extends Entry {
  resolve(): void;
  reject(error: unknown): void;
}

/** Writes that share a statement: the last of each key, everybody who waits for it. */
interface Group {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly callers: readonly Caller[];
}

/** Statements of one process under way at once. */
const COMMITS_IN_FLIGHT_MAX = 4;
/**
 * What waits is divided over free statements, into parts of this many keys at least. While one is committed the next is
 * announced and the last published, and commits that meet share a flush of the server's log.
 */
const PART_KEYS_MIN = 32;

/**
 * Writes that are acknowledged when front and store both hold them: the store first, then the front.
 *
 * Write-through hides the slot behind an intent before the store is touched and publishes afterwards, so that no
 * reader sees a value that the store does not hold, whoever dies on the way. Cache-aside only empties the slot
 * afterwards. Writes that wait at the same time share a statement; a key is in one statement at a time, so its
 * writes reach the store in the order in which they were asked for.
 */
export class DirectWriter {
  readonly #context: EngineContext;
  readonly #recover: (lane: number) => Promise<void>;
  readonly #withIntents: boolean;
  readonly #queue: Caller[] = [];
  readonly #busyKeys = new Set<string>();
  #inFlight = 0;
  #wakeUpSet = false;
  #idle: (() => void)[] = [];

  constructor(context: EngineContext, recover: (lane: number) => Promise<void>) {
    this.#context = context;
    this.#recover = recover;
    this.#withIntents = context.settings.policy === 'write-through';
  }

  /** `json` undefined deletes. Resolves when the store has committed and the front has been told. */
  write(key: string, json: string | undefined, ttlMs: number | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#queue.push({
        mutation: { lane: laneOf(key, this.#context.settings.lanes), key, json },
        ttlMs,
        resolve,
        reject,
      });
      this.#wakeUp();
    });
  }

  idle(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #wakeUp(): void {
    if (this.#wakeUpSet || this.#inFlight >= COMMITS_IN_FLIGHT_MAX) return;
    this.#wakeUpSet = true;
    this.#context.clock.soon(() => {
      this.#wakeUpSet = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight < COMMITS_IN_FLIGHT_MAX) {
      const group = this.#take(
        Math.max(PART_KEYS_MIN, Math.ceil(this.#queue.length / (COMMITS_IN_FLIGHT_MAX - this.#inFlight))),
      );
      if (group.callers.length === 0) break;
      this.#inFlight++;
      for (const key of group.entries.keys()) this.#busyKeys.add(key);
      void this.#run(group);
    }
    if (this.#queue.length === 0 && this.#inFlight === 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  /**
   * Takes the writes that have waited longest, of `keysMax` keys at the most, up to the first whose key is in a
   * statement already.
   */
  #take(keysMax: number): Group {
    const entries = new Map<string, Entry>();
    let bytes = 0;
    let count = 0;
    for (const caller of this.#queue) {
      const { key, json } = caller.mutation;
      const size = json?.length ?? 0;
      if (this.#busyKeys.has(key)) break;
      if (
        count > 0 &&
        ((!entries.has(key) && entries.size >= Math.min(keysMax, COMMIT_KEYS_MAX)) || bytes + size > WRITE_BYTES_MAX)
      )
        break;
      entries.set(key, caller);
      bytes += size;
      count++;
    }
    return { entries, callers: this.#queue.splice(0, count) };
  }

  async #run(group: Group): Promise<void> {
    const { counts } = this.#context;
    const refused = new Map<string, unknown>();
    try {
      await this.#commit([...group.entries.values()], refused);
      for (const { mutation, resolve, reject } of group.callers) {
        if (refused.has(mutation.key)) reject(refused.get(mutation.key));
        else resolve();
      }
      const stored = group.entries.size - refused.size;
      counts.accepted += group.callers.length - refused.size;
      counts.coalesced += group.callers.length - group.entries.size;
      counts.stored += stored;
    } catch (error) {
      for (const caller of group.callers) caller.reject(error);
    } finally {
      this.#inFlight--;
      for (const key of group.entries.keys()) this.#busyKeys.delete(key);
      this.#pump();
    }
  }

  /** Commits entries in one statement; a row that the store refuses is found by halving and put into `refused`. */
  async #commit(entries: readonly Entry[], refused: Map<string, unknown>): Promise<void> {
    try {
      await this.#commitTogether(entries);
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'MILLRACE_REJECTED') throw error;
      const first = entries[0] as Entry;
      if (entries.length === 1) {
        refused.set(first.mutation.key, error);
        return;
      }
      const middle = Math.ceil(entries.length / 2);
      await this.#commit(entries.slice(0, middle), refused);
      await this.#commit(entries.slice(middle), refused);
    }
  }

  async #commitTogether(entries: readonly Entry[]): Promise<void> {
    const { store, breaker, clock, random, settings } = this.#context;
    // A write that fails leaves its slot empty: while the store is down, readers keep what there is.
    breaker.check();
    const mutations = entries.map(({ mutation }) => mutation).sort((a, b) => (a.key < b.key ? -1 : 1));
    if (!this.#withIntents) {
      const invalidate = (lane: number, keys: readonly string[]) => this.#context.front.invalidate(lane, keys);
      try {
        await store.commit(mutations);
      } catch (error) {
        // If it is not known whether the store has it, what the front has may be old.
        if (mayBeCommitted(error)) await this.#step(entries, invalidate).catch(() => undefined);
        throw error;
      }
      await this.#tellFront(entries, invalidate);
      return;
    }
    const token = random.token();
    let begunAt: number;
    do {
      begunAt = clock.monotonic();
      await this.#step(entries, (lane, keys) => this.#context.front.beginIntent(lane, keys, token, INTENT_MS));
      // A process that was suspended between these two lines begins again: its intents may have run out.
    } while (clock.monotonic() - begunAt > INTENT_MS / 4);
    let committed = false;
    try {
      await store.commit(mutations);
      committed = true;
    } finally {
      // Whatever became of the commit, the writer is no longer under way. If it is not known, the slot stays empty.
      const finish = (lane: number, keys: readonly string[], part: readonly Entry[]) =>
        this.#context.front.finishIntent(
          lane,
          keys,
          token,
          part.map(({ mutation }) => (committed ? mutation.json : undefined)),
          part.map(({ ttlMs }) => ttlMs ?? settings.ttlMs),
        );
      if (committed) await this.#tellFront(entries, finish);
      else await this.#step(entries, finish).catch(() => undefined);
    }
  }

  async #tellFront(entries: readonly Entry[], call: FrontCall): Promise<void> {
    try {
      await this.#step(entries, call);
    } catch (cause) {
      const message = this.#withIntents
        ? 'The store has committed the write, but the front could not be told. Readers go to the store for this ' +
          'key until its intent runs out (a minute at most).'
        : 'The store has committed the write, but the front could not be told and may serve the old value until it ' +
          'expires.';
      throw new MillraceError('MILLRACE_FRONT_UNAVAILABLE', message, {
        cache: this.#context.settings.name,
        key: entries[0]?.mutation.key,
        cause,
      });
    }
  }

  /** One step of the front per lane; a lane that must be adopted first is, and then forgets what it held. */
  async #step(entries: readonly Entry[], call: FrontCall): Promise<void> {
    const byLane = new Map<number, Entry[]>();
    for (const entry of entries) {
      const part = byLane.get(entry.mutation.lane);
      if (part === undefined) byLane.set(entry.mutation.lane, [entry]);
      else part.push(entry);
    }
    await Promise.all(
      [...byLane].map(async ([lane, part]) => {
        const keys = part.map(({ mutation }) => mutation.key);
        for (let attempt = 0; attempt < 3; attempt++) {
          if ((await call(lane, keys, part)).kind === 'done') return;
          await this.#recover(lane);
        }
        throw new MillraceError(
          'MILLRACE_FRONT_UNAVAILABLE',
          `Lane ${lane} lost its state again and again while it was written to.`,
          { cache: this.#context.settings.name, lane },
        );
      }),
    );
  }
}

const mayBeCommitted = (error: unknown): boolean =>
  !(error instanceof StoreHeldBack) && !(isMillraceError(error) && error.code === 'MILLRACE_REJECTED');

type FrontCall = (lane: number, keys: readonly string[], part: readonly Entry[]) => Promise<SlotsDone>;
