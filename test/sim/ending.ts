import { FINISHED_KEPT_MS } from '../../src/core/letter.ts';
import type { CacheStats } from '../../src/index.ts';
import type { Client } from './client.ts';
import type { Stage } from './faults.ts';
import type { Theme } from './theme.ts';
import { Violation } from './violation.ts';

/** How long draining may take after the last fault, in simulated ms. */
const DRAIN_MS = 120_000;
const LATE_RECEIPTS = 20;
/** How long the front may take to hear of a letter that was stored, in simulated ms. */
const TELL_MS = 2_000;
/** How long the store's slowest answer may take, in simulated ms. */
const ANSWER_MS = 1_000;
/** How many schedules end with a store that was restored. */
const ROLL_BACK_CHANCE = 0.1;

/** A world whose faults are over. */
export interface Calm extends Stage {
  readonly theme: Theme;
  /** All that there ever were; the last began when faults were over. */
  readonly clients: readonly Client[];
  /** Whether lanes are stopped because the store has lost what they know of. */
  isRolledBack: boolean;
  /** Lets things happen until the condition holds (true) or the time is up (false); throws what was found meanwhile. */
  until(done: () => boolean, limitMs: number): boolean;
}

/** What must hold when faults are over: everything ends, drains, adds up, and is closed. */
export class Ending {
  readonly #world: Calm;
  readonly #last: Client;

  constructor(world: Calm) {
    this.#world = world;
    this.#last = world.clients.at(-1) as Client;
  }

  run(): void {
    const { oracle, server, database, scheduler, setup, theme, clients, prng, journal } = this.#world;
    const beganMs = scheduler.nowMs;
    const living = clients.filter(({ isUsable }) => isUsable);
    this.#within(
      () =>
        `an operation did not end: ${clients
          .flatMap(({ process, busy }) => (process.alive ? [...busy].map((doing) => `${process.name}: ${doing}`) : []))
          .join(', ')}`,
      () => clients.every(({ busy, process }) => !process.alive || busy.size === 0),
    );
    this.#within(
      () => 'a cache was not closed',
      () => clients.every(({ isClosing, process }) => !process.alive || !isClosing),
    );
    this.#within(
      () => 'a request never arrived',
      () => server.strays === 0,
    );
    // Everybody flushes, and learns on the way what it had been acknowledged and is lost.
    this.#all('the lanes were not drained', living, (client) => client.drain());
    journal.counts['drain ms'] = scheduler.nowMs - beganMs;
    // Puts into the front what letters that wait will make old.
    this.#all('a read never returned', [this.#last], (client) => client.readAll());
    if (database.letters.all.length > 0) {
      this.#within(
        () => 'letters were not tried to the end',
        () => database.letters.all.every(({ state }) => state !== 'waiting'),
      );
      this.#world.until(() => false, TELL_MS);
    }
    if (setup.policy === 'write-behind') {
      oracle.checkDrained(
        server.tables,
        setup.ttlMs !== undefined,
        database.rows,
        scheduler.nowMs < FINISHED_KEPT_MS ? database.letters.all.length : undefined,
      );
      this.#checkLosses();
      this.#all('a receipt never settled', living, (client) => client.askLate(LATE_RECEIPTS));
      if (theme.isCounted) {
        // What the store did before another worker drained the rest is counted when its slow answer arrives.
        this.#world.until(() => false, ANSWER_MS);
        this.#checkCounters(living);
      }
    }
    this.#all('a read never returned', [this.#last], (client) => client.readSettled());
    if (setup.policy === 'write-behind' && database.letters.all.length === 0 && prng.chance(ROLL_BACK_CHANCE))
      this.#rollBack(living);
    this.#all('a cache was not closed', living, (client) => client.close(5_000));
    if (this.#world.until(() => false, DRAIN_MS) || !scheduler.isEmpty)
      this.#fail(7, 'something goes on after every cache was closed');
  }

  /**
   * The store comes back without its last commits: the lanes that know of them stop and name them, until an operator
   * goes on.
   */
  #rollBack(living: readonly Client[]): void {
    const { oracle, server, database, setup, journal } = this.#world;
    const last = this.#last;
    const stored = server.tables.map(({ header }) => header?.generation ?? 0);
    if (!database.restore()) return;
    const lost = stored.map((generation, lane) => generation - (database.fences[lane]?.generation ?? 0));
    journal.note(() => `the store is restored without ${lost.join(', ')} generations`);
    const isStopped = lost.some((generations) => generations > 0);
    journal.count(isStopped ? 'rolled back: stopped' : 'rolled back: nothing lost');
    this.#world.isRolledBack = isStopped;
    const flushed = { reason: 'nothing' };
    this.#all('a write never ended', [last], (client) => client.touchLanes());
    this.#all('a flush over a restored store never ended', [last], (client) =>
      client.cache.flush().catch((error: Error) => void (flushed.reason = error.message)),
    );
    if (isStopped !== /the store lost generations \d+ to \d+/.test(flushed.reason))
      this.#fail(12, `the store lost ${lost.join(', ')} generations of its lanes, and a flush said ${flushed.reason}`);
    if (!isStopped) return;
    // Now the lane says so itself.
    this.#all('a write to a stopped lane never ended', [last], (client) => client.touchLanes());
    this.#all('an operator did not get the lanes to go on', [last], (client) =>
      client.cache.resume({ acceptStoreRollback: true }),
    );
    this.#all('the lanes were not drained after an operator went on', [last], (client) => client.drain());
    oracle.checkDrained(server.tables, setup.ttlMs !== undefined, database.rows, undefined);
    this.#all('a read never returned', living, (client) => client.readSettled());
  }

  /** Everybody's counters together tell what became of every mutation. */
  #checkCounters(living: readonly Client[]): void {
    const all: CacheStats[] = [];
    this.#all('counters were never told', living, async ({ cache }) => void all.push(await cache.stats()));
    const sum = (count: (stats: CacheStats) => number): number => all.reduce((total, stats) => total + count(stats), 0);
    const [accepted, coalesced, stored, dead] = [
      sum((of) => of.accepted),
      sum((of) => of.coalesced),
      sum((of) => of.stored),
      sum((of) => of.dead),
    ];
    const { pending, letters } = all[0] as CacheStats;
    const waiting = letters?.waiting ?? 0;
    if (accepted === coalesced + stored + dead + pending.entries + waiting) return;
    this.#fail(
      11,
      `${accepted} accepted, and ${coalesced} coalesced, ${stored} stored, ${dead} dead, ` +
        `${pending.entries} pending, ${waiting} waiting`,
    );
  }

  /** Loss is never silent, and never reported where there is none. */
  #checkLosses(): void {
    const { clients, oracle, mayLose, mayLoseSynced } = this.#world;
    for (const { process, acknowledged, losses, isUsable } of clients) {
      // By lane; a write that was sent again and one that took its place have a position together.
      const lost = new Map<number, Set<string>>();
      for (const { position, key, synced } of acknowledged) {
        const fate = oracle.receipts.fateOf(position, key);
        if (fate === 'pending')
          this.#fail(
            1,
            `the acknowledged write of ${key} at ${position.epoch}/${position.seq} is neither stored nor lost`,
          );
        if (fate !== 'lost') continue;
        if (synced && !mayLoseSynced)
          this.#fail(
            1,
            `the write of ${key} at ${position.epoch}/${position.seq} was acknowledged as fsynced, and is lost`,
          );
        lost.set(position.lane, (lost.get(position.lane) ?? new Set()).add(`${position.epoch}/${position.seq}`));
      }
      for (const [lane, { size: count }] of lost) {
        const told = losses.get(lane);
        if (isUsable && told === undefined)
          this.#fail(1, `${process.name} was never told that its writes on lane ${lane} are lost`);
        // A client that slept through more than is remembered is told of a loss of unknown extent.
        if (isUsable && told !== 0 && (told as number) < count)
          this.#fail(
            1,
            `${process.name} was told that ${told} of its writes on lane ${lane} are lost; it lost ${count}`,
          );
      }
      for (const lane of losses.keys())
        if (!mayLose || !oracle.history.lossy.has(lane))
          this.#fail(1, `${process.name} was told of a loss on lane ${lane} that was none`);
    }
  }

  #all(late: string, clients: readonly Client[], task: (client: Client) => Promise<void>): void {
    const left = new Set(clients);
    for (const client of clients)
      void task(client)
        .catch((error: unknown) => this.#world.expect(error))
        .finally(() => left.delete(client));
    this.#within(
      () => `${late} for ${[...left].map(({ process }) => process.name).join(', ')}`,
      () => left.size === 0,
    );
  }

  #within(late: () => string, done: () => boolean): void {
    if (!this.#world.until(done, DRAIN_MS)) this.#fail(8, `${late()} within ${DRAIN_MS} ms after the last fault`);
  }

  #fail(invariant: number, message: string): never {
    throw new Violation(invariant, message);
  }
}
