import type { Policy } from '../../src/index.ts';
import type { Journal } from './journal.ts';
import type { Oracle } from './oracle.ts';
import type { Prng } from './prng.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';

/** Writes of a process that may wait for room, or be beyond the capacity. */
export const WAITERS_MAX = 20;

/** What a schedule's caches have in common. */
export interface Setup {
  readonly policy: Policy;
  readonly lanes: number;
  readonly ttlMs: number | undefined;
  readonly maxEntries: number;
  readonly onFull: 'wait' | 'reject' | 'write-through';
}

/** What every part of the simulated world lives in. */
export interface Surroundings {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly setup: Setup;
  readonly oracle: Oracle;
  /** Nothing new begins. */
  readonly ending: boolean;
  /** A server has executed a step for a process; a fault may have waited for it. */
  reached(step: string, result: unknown, process: SimProcess): void;
  /** Errors that a client has to expect are part of life; anything else is a finding. */
  expect(error: unknown): void;
  token(): string;
  value(): unknown;
}
