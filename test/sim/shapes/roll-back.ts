import type { Settling, ShapeCalm } from './settling.ts';
import type { ShapeClient } from './shape-client.ts';
import type { ShapeOracle } from './shape-oracle.ts';

/** How much every process does between the restore and the end of it. */
const STIRS_MAX = 8;
const AWAY_MS_MAX = 400;

/**
 * The store comes back without its last commits, while everybody reads and one perhaps falls asleep over it. The lanes
 * that know of them stop and name them, until an operator goes on, whom everybody's reads and writes get in the way of;
 * from then on nobody is told what is not in the store.
 */
export class RollBack<O extends ShapeOracle> {
  readonly #world: ShapeCalm<O>;
  readonly #settling: Settling<O>;
  readonly #living: readonly ShapeClient<O>[];

  constructor(world: ShapeCalm<O>, settling: Settling<O>, living: readonly ShapeClient<O>[]) {
    this.#world = world;
    this.#settling = settling;
    this.#living = living;
  }

  run(): void {
    const { server, database, journal, prng } = this.#world;
    if (prng.chance(0.5)) this.#empty();
    const reading = this.#settling.begin('a read over a restore never ended', this.#living, (client) =>
      client.stir(1, true),
    );
    this.#wait(prng.between(0, 45));
    const [asleep] = this.#living.length > 1 && prng.chance(0.7) ? [prng.pick(this.#living)] : [];
    asleep?.process.freeze();
    const stored = server.tables.map(({ header }) => ({
      generation: header?.generation ?? 0,
      seq: header?.storedSeq ?? 0,
    }));
    if (!database.restore()) {
      asleep?.process.thaw();
      return this.#settling.within(...reading);
    }
    this.#world.isRolledBack = true;
    const lost = stored.map(({ generation, seq }, lane) => ({
      generations: generation - (database.fences[lane]?.generation ?? 0),
      seqs: seq - (database.fences[lane]?.seq ?? 0),
    }));
    const isBehind = lost.some(({ generations }) => generations > 0);
    journal.count(isBehind ? 'rolled back: stopped' : 'rolled back: nothing lost');
    journal.note(
      () => `the store is restored without ${lost.map(({ generations }) => generations).join(', ')} generations`,
    );
    // Who finds the buffer full waits until an operator goes on.
    const awake = this.#living.filter((client) => client !== asleep);
    const stirring = this.#settling.begin('an operation over a restored store never ended', awake, (client) =>
      client.stir(prng.between(0, STIRS_MAX), false),
    );
    this.#wait(prng.between(0, AWAY_MS_MAX));
    if (asleep === undefined && prng.chance(0.5)) this.#checkStopped(lost.map(({ generations }) => generations));
    const told = this.#living.map(({ losses }) => new Map(losses));
    const operators = Array.from({ length: prng.chance(0.2) ? 2 : 1 }, () => prng.pick(awake));
    this.#settling.all('an operator did not get the lanes to go on', operators, (client) =>
      client.acceptStoreRollback(),
    );
    asleep?.process.thaw();
    this.#settling.within(...reading);
    this.#settling.within(...stirring);
    this.#settling.drain(this.#living, false);
    lost.forEach(({ seqs }, lane) => {
      const count = this.#living.reduce(
        (sum, { losses }, i) => sum + (losses.get(lane) ?? 0) - (told[i]?.get(lane) ?? 0),
        0,
      );
      if (count !== seqs)
        this.#settling.fail(1, `the store lost ${seqs} seqs of lane ${lane}, and operators were told of ${count}`);
    });
    this.#world.isRolledBack = false;
    this.#settling.all('a read never returned', this.#living, (client) => client.readSettled());
  }

  /** Where something is pending, a flush tells what the store has lost. */
  #checkStopped(lost: readonly number[]): void {
    const [last] = this.#living.slice(-1) as [ShapeClient<O>];
    const isAsked = this.#world.server.tables.some(
      ({ header }, lane) => (lost[lane] as number) > 0 && (header?.pendingEntries ?? 0) > 0,
    );
    const flushed = { reason: 'nothing' };
    this.#settling.all('a flush over a restored store never ended', [last], ({ cache }) =>
      cache.flush().catch((error: Error) => void (flushed.reason = error.message)),
    );
    const isStopped = /the store lost generations \d+ to \d+/.test(flushed.reason);
    if (isAsked && !isStopped)
      this.#settling.fail(
        12,
        `the store lost ${lost.join(', ')} generations of its lanes, and a flush said ${flushed.reason}`,
      );
    if (isStopped && lost.every((generations) => generations === 0))
      this.#settling.fail(12, `the store lost nothing that the front knows of, and a flush said ${flushed.reason}`);
  }

  /** The front knows of the lanes, and of nothing else: everybody has to load. */
  #empty(): void {
    const { server } = this.#world;
    server.flushAll();
    this.#settling.all('an emptied front was not recovered', this.#living, (client) => client.drain());
    this.#settling.within(
      () => 'a lane was not recovered',
      () => server.tables.every(({ header }, lane) => header !== undefined && server.isCurrent(lane)),
    );
  }

  #wait(ms: number): void {
    this.#world.until(() => false, ms);
  }
}
