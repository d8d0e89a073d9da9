import type { AckLevel } from '../core/acks.ts';
import type { Duration } from '../core/duration.ts';
import { leaderboardOf } from '../core/shape.ts';
import type { Store } from '../ports/store.ts';
import { type CommonOptions, finish, type ParsedParts, readShape } from './parts.ts';
import { OptionReader } from './reader.ts';
import type { BackpressureOptions } from './settings.ts';

/** Options of `createLeaderboard`. */
export interface LeaderboardOptions extends CommonOptions {
  /** `postgresLeaderboard`. */
  readonly store: Store;
  /** Which of two scores `set` keeps: the better one, or the last one. Default 'last'. */
  readonly keep?: 'best' | 'last';
  /**
   * 'desc': the highest score is the best. 'asc': the lowest is. Pinned when the leaderboard is first used. Default
   * 'desc'.
   */
  readonly order?: 'desc' | 'asc';
  /**
   * How long one operation waits while the leaderboard is loaded from the store; the loading goes on after that. 1 ms
   * to 1 d, default '30s'.
   */
  readonly loadWait?: Duration;
  /** An entry is a member with a change that is pending, however often it changed. */
  readonly backpressure?: BackpressureOptions;
  /** What `add`, `set` and `remove` wait for. Default: what the front does best without waiting for the store. */
  readonly ack?: AckLevel;
}

/** Options of one `add`, `set` or `remove`. */
export interface ScoreOptions {
  /** What this one waits for. Default: the leaderboard's `ack`. */
  readonly ack?: AckLevel;
  /** Gives up waiting. The score may still be written. */
  readonly signal?: AbortSignal;
}

/** Options of one read. */
export interface RankOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

export interface ParsedLeaderboard extends ParsedParts {
  readonly keep: 'best' | 'last';
}

/** Throws one MILLRACE_OPTIONS error that lists every fault. */
export function parseLeaderboardOptions(options: LeaderboardOptions): ParsedLeaderboard {
  const read = new OptionReader(options, 'createLeaderboard');
  const parts = readShape(read, 'scores', 'postgresLeaderboard({ pool, table, member, score })');
  const keep = read.oneOf('keep', ['best', 'last'] as const, 'last');
  const order = read.oneOf('order', ['desc', 'asc'] as const, 'desc');
  read.known([
    'name',
    'front',
    'store',
    'keep',
    'order',
    'loadWait',
    'flush',
    'retry',
    'backpressure',
    'ack',
    'clock',
    'random',
  ]);
  // A rank is a place among all, so all are in one lane.
  return { ...finish(read, parts, { shape: leaderboardOf(order === 'asc'), lanes: 1 }), keep };
}
