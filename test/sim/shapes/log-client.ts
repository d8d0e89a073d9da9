import { laneOf } from '../../../src/core/lane-of.ts';
import { createLog, type Log } from '../../../src/index.ts';
import type { Pos } from '../oracle/executed.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import { type ShapeDatabase, ShapeSession } from './database.ts';
import type { LogOracle } from './log-oracle.ts';
import { optionsOf, ShapeClient } from './shape-client.ts';
import type { ShapeSurroundings } from './surroundings.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];

interface Event {
  readonly key: string;
}

/** What a receipt is about. */
type Place = Pos & { readonly key: string };

/** A process with a log. */
export class LogClient extends ShapeClient<LogOracle, Log<Event>> {
  constructor(
    world: ShapeSurroundings<LogOracle>,
    process: SimProcess,
    connection: SimConnection,
    database: ShapeDatabase,
    flushes: boolean,
  ) {
    super(
      world,
      process,
      connection,
      createLog<Event>({
        ...optionsOf(world, process, flushes),
        front: connection,
        store: new ShapeSession(world, database, process, 'log'),
        key: ({ key }) => key,
      }),
    );
  }

  protected choose(): [string, () => Promise<unknown>] {
    const { prng } = this.world;
    const choice = prng.fraction();
    if (choice < 0.6) return ['append', () => this.#append(1)];
    if (choice < 0.92) return ['appendMany', () => this.#append(prng.between(2, 6))];
    return ['flush', () => this.cache.flush()];
  }

  async #append(count: number): Promise<void> {
    const { prng, shapes: oracle, setup } = this.world;
    const ack = this.pickAck();
    const events = Array.from({ length: count }, () => ({ ...(this.world.value() as object), key: prng.pick(KEYS) }));
    for (const event of events) oracle.asked(this.process.name, laneOf(event.key, setup.lanes), JSON.stringify(event));
    const receipts = await this.cache.appendMany(events, { ack });
    if (ack !== 'stored')
      receipts.forEach((receipt, i) =>
        oracle.checkPlace(this.process.name, receipt as unknown as Place, JSON.stringify(events[i])),
      );
    for (const receipt of receipts) await this.keep((receipt as unknown as Partial<Place>).key ?? '', receipt, ack);
  }

  protected async read(): Promise<void> {
    // Nobody reads a log but in the store.
  }

  async readSettled(): Promise<void> {
    // What is stored was compared when everything was drained.
  }
}
