import { FINISHED_KEPT_MS } from '../../../src/core/letter.ts';
import { RollBack } from './roll-back.ts';
import { DRAIN_MS, Settling, type ShapeCalm } from './settling.ts';
import type { ShapeOracle } from './shape-oracle.ts';

const LATE_RECEIPTS = 20;
/** How many schedules end with a store that was restored. */
const ROLL_BACK_CHANCE = 0.15;

/** What must hold when faults are over: everything ends, drains, adds up, and is closed. */
export class ShapeEnding<O extends ShapeOracle> {
  readonly #world: ShapeCalm<O>;
  readonly #settling: Settling<O>;

  constructor(world: ShapeCalm<O>) {
    this.#world = world;
    this.#settling = new Settling(world);
  }

  run(): void {
    const { server, clients, prng } = this.#world;
    const living = clients.filter(({ isUsable }) => isUsable);
    this.#settling.within(
      () =>
        `an operation did not end: ${clients
          .flatMap(({ process, busy }) => (process.alive ? [...busy].map((what) => `${process.name}: ${what}`) : []))
          .join(', ')}`,
      () => clients.every(({ process, busy }) => !process.alive || busy.size === 0),
    );
    this.#settling.within(
      () => 'a cache was not closed',
      () => clients.every(({ isClosing, process }) => !process.alive || !isClosing),
    );
    this.#settling.within(
      () => 'a request never arrived',
      () => server.strays === 0,
    );
    // Everybody flushes, and learns on the way what it had been acknowledged and is lost.
    this.#settling.drain(living, this.#world.scheduler.nowMs < FINISHED_KEPT_MS);
    this.#checkLosses();
    this.#settling.all('a receipt never settled', living, (client) => client.askLate(LATE_RECEIPTS));
    this.#settling.all('a read never returned', living.slice(-1), (client) => client.readAll());
    this.#settling.all('a read never returned', living.slice(-1), (client) => client.readSettled());
    if (prng.chance(ROLL_BACK_CHANCE)) new RollBack(this.#world, this.#settling, living).run();
    this.#settling.all('a cache was not closed', living, (client) => client.close(5_000));
    if (this.#world.until(() => false, DRAIN_MS) || !this.#world.scheduler.isEmpty)
      this.#settling.fail(7, 'something goes on after every cache was closed');
  }

  /** Loss is never silent, and never reported where there is none. */
  #checkLosses(): void {
    const { clients, shapes, mayLose, mayLoseSynced } = this.#world;
    for (const { process, acknowledged, losses, isUsable } of clients) {
      // By lane; increments of one step have a position together.
      const lost = new Map<number, number>();
      for (const { position, key, synced } of acknowledged) {
        const fate = shapes.fateOf(position, key);
        const where = `${key} at ${position.epoch}/${position.seq}`;
        if (fate === 'pending') this.#settling.fail(1, `the acknowledged ${where} is neither stored nor lost`);
        if (fate !== 'lost') continue;
        if (synced && !mayLoseSynced) this.#settling.fail(1, `${where} was acknowledged as fsynced, and is lost`);
        lost.set(position.lane, (lost.get(position.lane) ?? 0) + 1);
      }
      for (const [lane, count] of lost) {
        const told = losses.get(lane);
        if (isUsable && told === undefined)
          this.#settling.fail(1, `${process.name} was never told that its writes on lane ${lane} are lost`);
        // A client that slept through more than is remembered is told of a loss of unknown extent.
        if (isUsable && told !== 0 && (told as number) < count)
          this.#settling.fail(
            1,
            `${process.name} was told that ${told} of its writes on lane ${lane} are lost; it lost ${count}`,
          );
      }
      for (const lane of losses.keys())
        if (!mayLose || !shapes.history.lossy.has(lane))
          this.#settling.fail(1, `${process.name} was told of a loss on lane ${lane} that was none`);
    }
  }
}
