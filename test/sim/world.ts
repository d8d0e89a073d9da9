import { BaseWorld, type Manner } from './base-world.ts';
import { Client } from './client.ts';
import { type Calm, Ending } from './ending.ts';
import { Oracle } from './oracle/oracle.ts';
import { NO_REPORT, type Report } from './report.ts';
import { SimDatabase } from './sim-database.ts';
import type { SimConnection } from './sim-front.ts';
import type { SimProcess } from './sim-process.ts';
import { SimServer } from './sim-server.ts';
import { SimSession } from './sim-session.ts';
import { type Setup, WAITERS_MAX } from './surroundings.ts';
import { drawTheme, type Theme } from './theme.ts';

/** One schedule of documents. */
export class World extends BaseWorld<Client> implements Calm {
  readonly setup: Setup;
  readonly theme: Theme;
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly database: SimDatabase;
  protected readonly processesMin = 1;
  /** Whose last write was not accepted. */
  readonly #refused = new Set<SimProcess>();

  constructor(seed: number, manner: Manner) {
    super(seed, manner);
    this.setup = this.#draw();
    this.theme = drawTheme(this.prng, this.setup.policy);
    const { lanes, maxEntries, onFull } = this.setup;
    this.oracle = new Oracle(
      lanes,
      maxEntries + (onFull === 'write-through' ? WAITERS_MAX : 0),
      () => this.scheduler.steps,
    );
    this.server = new SimServer(lanes, this.scheduler, this.prng, this.journal, {
      stepped: (lane, _step, table, before) => this.oracle.checkStep(lane, table, before, this.server.isCurrent(lane)),
      rewound: (before, tables) => this.oracle.rewound(before, tables),
    });
    this.database = new SimDatabase(this, lanes);
  }

  #draw(): Setup {
    const { prng } = this;
    const policy = prng.chance(0.8) ? 'write-behind' : prng.pick(['write-through', 'cache-aside'] as const);
    const isSmall = policy === 'write-behind' && prng.chance(0.15);
    return {
      policy,
      lanes: prng.chance(0.8) ? 2 : 1,
      ttlMs: prng.pick([20, 200, 2_000, undefined]),
      maxEntries: isSmall ? prng.between(2, 6) : 1_000,
      onFull: prng.pick(['wait', 'reject', 'write-through']),
      poisonChance: prng.chance(0.3) ? 0.25 : 0.02,
      attempts: prng.pick([1, 3, 3]),
      workers: prng.pick([1, 2, 3, 3, 5]),
      keysPerStep: prng.pick([1, 2, 2, 3]),
      lateMsMax: prng.pick([50, 50, 500]),
    };
  }

  get redrives(): boolean {
    return this.theme.name === 'letters';
  }

  protected get plan(): Theme {
    return this.theme;
  }

  protected get broken(): Error | undefined {
    return this.oracle.findings.first;
  }

  protected enter(process: SimProcess, connection: SimConnection, flushes: boolean): Client {
    return new Client(this, process, connection, new SimSession(this, this.database, process), flushes);
  }

  protected end(): void {
    new Ending(this).run();
  }

  protected tally(): Readonly<Record<string, number>> {
    const {
      commits,
      refusals,
      history: { losses },
    } = this.oracle;
    return { commits, losses, refusals, [`policy: ${this.setup.policy}`]: 1, [`theme: ${this.theme.name}`]: 1 };
  }

  protected override namesOf(step: string, answer: unknown, process: SimProcess): string[] {
    const names = super.namesOf(step, answer, process);
    return step === 'write' ? [...names, ...this.#overtaking(names, process)] : names;
  }

  /**
   * A write that is accepted right after one that is not was sent before it was known that the first has to be
   * repeated.
   */
  #overtaking(names: readonly string[], process: SimProcess): string[] {
    const isRefused = names.includes('write: full') || names.includes('write: unrecovered');
    const isOvertaking = names.includes('write: accepted') && this.#refused.delete(process);
    if (isRefused) this.#refused.add(process);
    return isOvertaking ? ['write: overtaking'] : [];
  }
}

/** A promise was broken; `lines` are the last things that happened before. */
export class Broken extends Error {
  readonly lines: readonly string[];

  constructor(cause: Error, lines: readonly string[]) {
    super(cause.message, { cause });
    this.lines = lines;
  }
}

/**
 * Runs one schedule, between two tasks of the event loop: that is where promise callbacks can be run to their end. With
 * `theme` only if it has that one.
 */
export function simulate(seed: number, manner: Manner = { linesMax: 0, turns: false }, theme = ''): Promise<Report> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      const world = new World(seed, manner);
      if (theme !== '' && world.theme.name !== theme) return resolve(NO_REPORT);
      try {
        resolve(world.run());
      } catch (error) {
        reject(new Broken(error as Error, world.journal.lines));
      }
    });
  });
}
