import { createLeaderboard, isMillraceError, type Leaderboard } from '../../../src/index.ts';
import type { Ack } from '../base-client.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import type { BoardQuery } from './boards.ts';
import { type ShapeDatabase, ShapeSession } from './database.ts';
import { MEMBERS, type ScoresOracle, TIED_MAX } from './scores-oracle.ts';
import { optionsOf, ShapeClient } from './shape-client.ts';
import type { ShapeSurroundings } from './surroundings.ts';

/** How far scores that are set are from each other. */
const SPREAD = 50;
/** More operations than a schedule has. */
const STRIDE = 10_000;

/** A process with a leaderboard. */
export class ScoresClient extends ShapeClient<ScoresOracle, Leaderboard> {
  /** Additions under way. */
  readonly #under = new Set<{ readonly member: string; readonly by: number }>();

  constructor(
    world: ShapeSurroundings<ScoresOracle>,
    process: SimProcess,
    connection: SimConnection,
    database: ShapeDatabase,
    flushes: boolean,
  ) {
    const { lanes: _, ...options } = optionsOf(world, process, flushes);
    super(
      world,
      process,
      connection,
      createLeaderboard({
        ...options,
        front: connection,
        store: new ShapeSession(world, database, process, 'scores'),
        keep: world.prng.pick(['best', 'last']),
        order: world.shapes.isDescending ? 'desc' : 'asc',
      }),
    );
  }

  protected choose(): [string, () => Promise<unknown>] {
    const { prng } = this.world;
    const member = prng.pick(MEMBERS);
    const choice = prng.fraction();
    if (choice < 0.35) return [`add ${member}`, () => this.#burst(member)];
    if (choice < 0.55) return [`set ${member}`, () => this.#set(member)];
    if (choice < 0.62) return [`remove ${member}`, () => this.#remove(member)];
    if (choice < 0.92) return ['read', () => this.#read(this.#query(member))];
    if (choice < 0.97) return ['flush', () => this.cache.flush()];
    return [`inspect ${member}`, () => this.cache.inspect(member)];
  }

  #query(member: string): BoardQuery {
    const { prng } = this.world;
    const count = prng.between(1, MEMBERS.length);
    return prng.pick([
      { kind: 'top', count },
      { kind: 'around', member, count: count - 1 },
      { kind: 'score', member },
      { kind: 'rank', member },
    ] as const);
  }

  /** A score that no other operation has. */
  #own(): number {
    const { prng } = this.world;
    const { n } = this.world.value() as { readonly n: number };
    return TIED_MAX + n + STRIDE * prng.between(0, SPREAD);
  }

  /** One addition, or several at the same time. */
  async #burst(member: string): Promise<void> {
    const { prng } = this.world;
    const ack = this.pickAck();
    const count = prng.chance(0.3) ? prng.between(2, 4) : 1;
    const done = await Promise.allSettled(
      Array.from({ length: count }, () => this.#add(member, (prng.chance(0.3) ? -1 : 1) * this.#own(), ack)),
    );
    for (const each of done) if (each.status === 'rejected') throw each.reason;
  }

  async #add(member: string, by: number, ack: Ack): Promise<void> {
    const { tally } = this.world.shapes;
    const { name } = this.process;
    const own = { member, by };
    this.#under.add(own);
    this.world.shapes.asked(name, by);
    try {
      const receipt = await this.cache.add(member, by, { ack });
      this.#under.delete(own);
      tally.acknowledged(name, member, BigInt(by));
      this.world.shapes.checkOutcome(name, by, receipt.score);
      await this.keep(member, receipt, ack);
    } catch (error) {
      if (this.#under.delete(own) && !(isMillraceError(error) && error.code === 'MILLRACE_FULL'))
        tally.unknown(name, member, BigInt(by));
      throw error;
    }
  }

  override kill(): void {
    for (const { member, by } of this.#under) this.world.shapes.tally.unknown(this.process.name, member, BigInt(by));
    this.#under.clear();
    super.kill();
  }

  async #set(member: string): Promise<void> {
    const { prng, shapes: oracle } = this.world;
    const ack = this.pickAck();
    const score = prng.chance(0.3) ? prng.between(0, TIED_MAX) : this.#own();
    oracle.asked(this.process.name, score);
    const receipt = await this.cache.set(member, score, { ack });
    oracle.checkOutcome(this.process.name, score, receipt.score);
    // A score that is not kept is no mutation, and cannot be lost.
    if (score > TIED_MAX && receipt.score === score) await this.keep(member, receipt, ack);
  }

  async #remove(member: string): Promise<void> {
    const receipt = await this.cache.remove(member, { ack: 'buffered' });
    if (this.world.prng.chance(0.3)) await receipt.stored();
  }

  #ask(query: BoardQuery): Promise<unknown> {
    switch (query.kind) {
      case 'top':
        return this.cache.top(query.count);
      case 'around':
        return this.cache.around(query.member, query.count);
      case 'score':
        return this.cache.score(query.member);
      case 'rank':
        return this.cache.rank(query.member);
    }
  }

  async #read(query: BoardQuery): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    this.world.shapes.checkRead(this.process.name, query, await this.#ask(query), fromStep);
  }

  protected async read(): Promise<void> {
    for (const member of MEMBERS) await this.#read({ kind: 'around', member, count: 1 });
  }

  async readSettled(): Promise<void> {
    this.world.shapes.tally.check();
    for (const query of [
      { kind: 'top', count: MEMBERS.length } as const,
      ...MEMBERS.map((member) => ({ kind: 'rank', member }) as const),
    ]) {
      const fromStep = this.world.scheduler.steps;
      const told = await this.#ask(query).catch((error: unknown) => this.world.expect(error));
      this.world.shapes.checkSettled(query, told, fromStep);
    }
  }
}
