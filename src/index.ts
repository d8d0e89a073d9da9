/**
 * Caches, counters, logs and leaderboards between a fast front and a database. Importing this loads no driver.
 *
 * @module millrace
 */
export { type Cache, createCache } from './cache.ts';
export { type Closable, type CloseOnSignalsOptions, closeOnSignals, type EndSignal } from './close-on-signals.ts';
export { type Config, defineConfig } from './config.ts';
export type { AckLevel } from './core/acks.ts';
export type { BreakerState, BreakerStats } from './core/breaker.ts';
export type { Duration } from './core/duration.ts';
export type { LetterState } from './core/letter.ts';
export type { Holds, MutationKind } from './core/shape.ts';
export { type Counters, createCounters } from './counters.ts';
export type { DeadLetter, DeadLetters, Redrive, RedriveOptions } from './dead-letters.ts';
export type { Receipt } from './engine/lanes/receipt.ts';
export { type ErrorContext, isMillraceError, MillraceError, type MillraceErrorCode } from './errors.ts';
export type { BreakerEvent, CacheEventName, CacheEvents, CacheListener, FlushEvent, LossCause } from './events.ts';
export type { CloseReport } from './facade.ts';
export { createLeaderboard, type Leaderboard, type Ranked, type ScoreReceipt } from './leaderboard.ts';
export { createLog, type Log } from './log.ts';
export type { Inspection } from './observe/inspect.ts';
export type { CacheStats, LaneStats, PaceStats } from './observe/stats.ts';
export type { CacheOptions, WriteOptions } from './options/cache.ts';
export type { CountersOptions, IncrementOptions } from './options/counters.ts';
export type { LeaderboardOptions, RankOptions, ScoreOptions } from './options/leaderboard.ts';
export type { AppendOptions, LogOptions } from './options/log.ts';
export type { BackpressureOptions, FlushOptions, Policy, RetryOptions } from './options/settings.ts';
export type { Clock, Timer } from './ports/clock.ts';
export type { Finding } from './ports/finding.ts';
export type { Front, FrontCapabilities } from './ports/front.ts';
export type { Random } from './ports/random.ts';
export type { LetterCounts, Store, StoreCapabilities } from './ports/store.ts';
export type { Batch, BatchMutation, CustomStore, LoadedValues } from './stores/custom.ts';
