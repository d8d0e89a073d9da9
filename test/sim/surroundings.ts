import type { IncrementBatch } from '../../src/core/lane-deltas.ts';
import type { AppendBatch } from '../../src/core/lane-log.ts';
import type { ScoreBatch, ScoreResult } from '../../src/core/lane-scores.ts';
import type { Policy } from '../../src/index.ts';
import type { Journal } from './journal.ts';
import type { Oracle } from './oracle/oracle.ts';
import type { Prng } from './prng.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimTable } from './sim-table.ts';

/** Writes of a process that may wait for room, or be beyond the capacity. */
export const WAITERS_MAX = 20;

/** `retry.maxDelay` of every cache. */
export const RETRY_MS_MAX = 200;

/** What a schedule's caches have in common. */
export interface Setup {
  readonly policy: Policy;
  readonly lanes: number;
  readonly ttlMs: number | undefined;
  readonly maxEntries: number;
  readonly onFull: 'wait' | 'reject' | 'write-through';
  /** How many values the store refuses, of all. */
  readonly poisonChance: number;
  /** Attempts of a row before it is dead. */
  readonly attempts: number;
  /** Operations that a process has under way at once. */
  readonly workers: number;
  /** Keys of a page and of an acknowledging step: few, so that much can happen in between. */
  readonly keysPerStep: number;
  /** How long after its connection broke a step may still be executed. */
  readonly lateMsMax: number;
}

/** Who is told of what the front executes for counters, logs and leaderboards. */
export interface ShapeWitness {
  incremented(lane: number, batch: IncrementBatch, epoch: number, seq: number, process: string): void;
  /** `isLate` when it was executed after its connection broke: then its process may have gone on without it. */
  appended(lane: number, batch: AppendBatch, epoch: number, seq: number, isLate: boolean): void;
  /** With the table after it. */
  scored(
    batch: ScoreBatch,
    result: Extract<ScoreResult, { kind: 'accepted' }>,
    table: SimTable,
    process: string,
    isLate: boolean,
  ): void;
  /** The front was told that the rows of these keys have changed in the store. */
  invalidated(keys: readonly string[]): void;
}

/** What every part of the simulated world lives in. */
export interface Surroundings {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly setup: Setup;
  readonly oracle: Oracle;
  /** Where the caches hold counters, a log or a leaderboard. */
  readonly shapes?: ShapeWitness;
  /** Whether operators have dead letters tried again. */
  readonly redrives?: boolean;
  /** Nothing new begins. */
  readonly ending: boolean;
  /** A server has executed a step for a process; a fault may have waited for it. */
  reached(step: string, result: unknown, process: SimProcess): void;
  /** Errors that a client has to expect are part of life; anything else is a finding. */
  expect(error: unknown): void;
  token(): string;
  value(): unknown;
}
