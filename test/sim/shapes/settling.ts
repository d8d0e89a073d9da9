import type { Stage } from '../faults.ts';
import { Violation } from '../violation.ts';
import type { ShapeClient } from './shape-client.ts';
import type { ShapeOracle } from './shape-oracle.ts';
import type { ShapeSurroundings } from './surroundings.ts';

/** How long draining may take after the last fault, in simulated ms. */
export const DRAIN_MS = 120_000;
/** How long the front may take to hear of a letter that was stored. */
const TELL_MS = 2_000;

/** A world whose faults are over. */
export interface ShapeCalm<O extends ShapeOracle> extends Stage, ShapeSurroundings<O> {
  readonly shapes: O;
  /** All that there ever were; the last began when faults were over. */
  readonly clients: readonly ShapeClient<O>[];
  /** Whether lanes may be stopped because the store has lost what they know of. */
  isRolledBack: boolean;
  /** Lets things happen until the condition holds (true) or the time is up (false); throws what was found meanwhile. */
  until(done: () => boolean, limitMs: number): boolean;
}

/** Waits for everybody, but not for ever: when faults are over, what was asked for happens. */
export class Settling<O extends ShapeOracle> {
  readonly #world: ShapeCalm<O>;

  constructor(world: ShapeCalm<O>) {
    this.#world = world;
  }

  /** Nothing is left, and the store has what it should; with `counted`, all letters are there. */
  drain(living: readonly ShapeClient<O>[], counted: boolean): void {
    const { database, server, shapes } = this.#world;
    this.all('the lanes were not drained', living, (client) => client.drain());
    this.within(
      () =>
        `letters were not tried to the end: ${database.letters.all
          .filter(({ state }) => state === 'waiting')
          .map(({ key }) => key)
          .join(', ')}`,
      () => database.letters.all.every(({ state }) => state !== 'waiting'),
    );
    this.#world.until(() => false, TELL_MS);
    shapes.checkDrained(server.tables, database.rows, counted ? database.letters.all.length : undefined);
  }

  all(late: string, clients: readonly ShapeClient<O>[], task: (client: ShapeClient<O>) => Promise<void>): void {
    this.within(...this.begin(late, clients, task));
  }

  /** Lets everybody do it. What is returned tells who has not done it yet, and whether everybody has. */
  begin(
    late: string,
    clients: readonly ShapeClient<O>[],
    task: (client: ShapeClient<O>) => Promise<void>,
  ): [late: () => string, done: () => boolean] {
    const left = new Set(clients);
    for (const client of clients)
      void task(client)
        .catch((error: unknown) => this.#world.expect(error))
        .finally(() => left.delete(client));
    return [() => `${late} for ${[...left].map(({ process }) => process.name).join(', ')}`, () => left.size === 0];
  }

  within(late: () => string, done: () => boolean): void {
    if (!this.#world.until(done, DRAIN_MS)) this.fail(8, `${late()} within ${DRAIN_MS} ms after the last fault`);
  }

  fail(invariant: number, message: string): never {
    throw this.#world.shapes.findings.first ?? new Violation(invariant, message);
  }
}
