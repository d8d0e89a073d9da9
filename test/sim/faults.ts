import type { SimDatabase } from './sim-database.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimServer } from './sim-server.ts';
import type { Surroundings } from './surroundings.ts';

/** How long a process or the store is away, ms. */
const AWAY_MS_MIN = 20;
const AWAY_MS_MAX = 900;

/** What faults change. */
export interface Stage extends Surroundings {
  readonly server: SimServer;
  readonly database: SimDatabase;
  /** Whether something happened that loses acknowledged writes, and even synced ones. */
  mayLose: boolean;
  mayLoseSynced: boolean;
  /** A new process. */
  spawn(): void;
  /** Does it, unless the schedule is ending by then. */
  later(ms: number, task: () => void): void;
}

/** A process that a fault can hit. */
export interface Victim {
  readonly process: SimProcess;
  readonly connection: { cut(): void };
  kill(): void;
  close(timeoutMs: number): Promise<void>;
}

/** Kinds of faults. Each gets the process that it hits, where it hits one. */
export const FAULTS: Readonly<Record<string, (world: Stage, client: Victim) => void>> = {
  kill: (world, client) => {
    client.kill();
    world.later(world.prng.between(0, 500), () => world.spawn());
  },
  suspend: (world, client) => {
    client.process.freeze();
    world.scheduler.after(world.prng.between(AWAY_MS_MIN, AWAY_MS_MAX), () => client.process.thaw());
  },
  'suspended while the front loses its tail': (world, client) => {
    client.process.freeze();
    const awayMs = world.prng.between(1, AWAY_MS_MAX / 4);
    const fault = world.prng.chance(0.8) ? 'front restarts without its tail' : 'FLUSHALL';
    world.later(awayMs, () => FAULTS[fault]?.(world, client));
    world.scheduler.after(awayMs + world.prng.between(0, 10), () => client.process.thaw());
  },
  close: (world, client) => {
    const timeoutMs = world.prng.pick([0, 50, 5_000]);
    void client.close(timeoutMs).catch((error: unknown) => world.expect(error));
    world.later(world.prng.between(0, 500), () => world.spawn());
  },
  'cut connection': (_, client) => client.connection.cut(),
  'process clock jumps': (world, client) => client.process.jumpClock(world.prng.between(-100_000, 100_000)),
  'front clock jumps': ({ server, prng }) => void (server.clockOffsetMs += prng.between(-2_000, 20_000)),
  'front down': (world) => {
    world.server.down = true;
    for (const connection of world.server.connections) connection.cut();
    world.scheduler.after(world.prng.between(AWAY_MS_MIN, AWAY_MS_MAX / 3), () => void (world.server.down = false));
  },
  'front restarts': ({ server }) => server.restart(false),
  'front restarts without its tail': (world) => {
    world.mayLose = true;
    world.server.restart(true);
  },
  'stale replica is promoted': (world) => {
    world.mayLose = true;
    world.mayLoseSynced = true;
    world.server.failOver();
  },
  'old copy of the front is restored': (world) => {
    world.mayLose = true;
    world.mayLoseSynced = true;
    world.server.restore();
  },
  FLUSHALL: (world) => {
    world.mayLose = true;
    world.mayLoseSynced = true;
    world.server.flushAll();
  },
  'store down': (world) => {
    world.database.down = true;
    world.scheduler.after(world.prng.between(AWAY_MS_MIN, AWAY_MS_MAX), () => void (world.database.down = false));
  },
  'store slow': (world) => {
    world.database.slowMs = world.prng.between(20, 600);
    world.scheduler.after(world.prng.between(AWAY_MS_MIN, AWAY_MS_MAX), () => void (world.database.slowMs = 0));
  },
  deadlocks: ({ database, prng }) =>
    void database.commitFaults.push(...repeat('deadlock' as const, prng.between(1, 3))),
  'commits without an answer': ({ database, prng }) =>
    void database.commitFaults.push(...repeat('silent' as const, prng.between(1, 3))),
  'commits lost': ({ database, prng }) =>
    void database.commitFaults.push(...repeat('lost' as const, prng.between(1, 2))),
  'commits after their caller gave up': ({ database, prng }) =>
    void database.commitFaults.push(...repeat('late' as const, prng.between(1, 2))),
};

/** Steps that a fault can lie in wait for: it happens when the step has been executed, before its answer arrives. */
export const AMBUSHES = {
  'write-behind': [
    'write',
    'sync',
    'cut',
    'readGeneration',
    'acknowledge',
    'recover',
    'confirm',
    'claim',
    'header',
    'beginFill',
    'endFill',
    'load',
    'raiseEpoch',
    'beginEpoch',
    'begin',
    'statement',
    'commit',
    'letters',
    'retry',
    'invalidate',
  ],
  direct: [
    'beginIntent',
    'finishIntent',
    'invalidate',
    'adopt',
    'header',
    'beginFill',
    'endFill',
    'load',
    'commit directly',
  ],
} as const;

function repeat<T>(item: T, count: number): T[] {
  return Array.from({ length: count }, () => item);
}
