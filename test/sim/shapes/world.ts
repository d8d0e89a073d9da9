import { BaseWorld, type Manner } from '../base-world.ts';
import { FAULTS } from '../faults.ts';
import { Oracle } from '../oracle/oracle.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import { SimServer } from '../sim-server.ts';
import type { Setup } from '../surroundings.ts';
import type { Plan } from '../theme.ts';
import type { Cast } from './cast.ts';
import { ShapeDatabase } from './database.ts';
import { ShapeEnding } from './ending.ts';
import type { ShapeCalm } from './settling.ts';
import type { ShapeClient } from './shape-client.ts';
import type { ShapeOracle } from './shape-oracle.ts';

const FAULTS_MIN = 5;
const FAULTS_MAX = 12;

/** One schedule of counters, of a log or of a leaderboard. */
export class ShapeWorld<O extends ShapeOracle> extends BaseWorld<ShapeClient<O>> implements ShapeCalm<O> {
  readonly setup: Setup;
  readonly shapes: O;
  /** Of documents, of which there are none. */
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly database: ShapeDatabase;
  protected readonly plan: Plan;
  protected readonly processesMin = 2;
  readonly #cast: Cast<O>;

  constructor(cast: Cast<O>, seed: number, manner: Manner) {
    super(seed, manner);
    this.#cast = cast;
    this.setup = this.#draw();
    this.plan = this.#drawPlan();
    const { lanes, maxEntries } = this.setup;
    const step = (): number => this.scheduler.steps;
    this.shapes = cast.oracle(lanes, maxEntries, step, this.prng);
    this.oracle = new Oracle(lanes, maxEntries, step);
    this.server = new SimServer(lanes, this.scheduler, this.prng, this.journal, {
      stepped: (lane, _step, table, before) => this.shapes.checkStep(lane, table, before, this.server.isCurrent(lane)),
      rewound: (before, tables) => this.shapes.rewound(before, tables),
    });
    this.database = new ShapeDatabase(this, lanes, this.shapes, cast.table);
  }

  #draw(): Setup {
    const { prng } = this;
    return {
      policy: 'write-behind',
      lanes: this.#cast.lanes ?? (prng.chance(0.8) ? 2 : 1),
      ttlMs: prng.pick([20, 200, 2_000, undefined]),
      maxEntries: prng.chance(0.15) ? prng.between(2, 6) : 1_000,
      onFull: prng.pick(['wait', 'reject']),
      poisonChance: prng.chance(0.3) ? 0.25 : 0.02,
      attempts: prng.pick([1, 3]),
      workers: prng.pick([2, 3, 3, 5]),
      keysPerStep: prng.pick([1, 2, 2, 3]),
      lateMsMax: prng.pick([50, 50, 500]),
    };
  }

  /** What goes wrong in this schedule: anything, or a few kinds of faults again and again. */
  #drawPlan(): Plan {
    const { prng } = this;
    const all = Object.keys(FAULTS);
    const faults = prng.chance(0.5) ? all : Array.from({ length: prng.between(1, 3) }, () => prng.pick(all));
    return {
      faults,
      ambushes: this.#cast.ambushes,
      faultsMin: FAULTS_MIN,
      faultsMax: FAULTS_MAX,
      ambushChance: prng.pick([0.3, 0.5, 0.7]),
      ambushMsMax: 0,
    };
  }

  protected get broken(): Error | undefined {
    return this.shapes.findings.first ?? this.oracle.findings.first;
  }

  protected enter(process: SimProcess, connection: SimConnection, flushes: boolean): ShapeClient<O> {
    return this.#cast.client(this, process, connection, this.database, flushes);
  }

  protected end(): void {
    new ShapeEnding(this).run();
  }

  protected tally(): Readonly<Record<string, number>> {
    const {
      commits,
      refusals,
      history: { losses },
    } = this.shapes;
    return { commits, refusals, losses };
  }
}
