import { ACK_LEVELS, type AckLevel } from '../core/acks.ts';
import type { Duration } from '../core/duration.ts';
import type { Settings } from '../engine/base/settings.ts';
import type { Front } from '../ports/front.ts';
import type { OptionReader } from './reader.ts';

/**
 * When a write is acknowledged. `write-behind`: the front has it. `write-through`: the store has committed it and the
 * front has it. `cache-aside`: the store has committed it and the front has forgotten it.
 */
export type Policy = 'write-behind' | 'write-through' | 'cache-aside';

/** When and how pending mutations go to the store. */
export interface FlushOptions {
  /** A pending mutation is flushed at this age at the latest. Default '1s'. */
  readonly maxDelay?: Duration;
  /** Rows of a statement; a flush begins when so many are pending. 1 to 10,000, default 500. */
  readonly batchSize?: number;
  /**
   * Rows that a statement may have when the store is slow: when a flush takes more than a quarter of `maxDelay`. From
   * `batchSize` to 10,000; default `batchSize` where that is given, else 5,000.
   */
  readonly maxBatchSize?: number;
  /** Store transactions at the same time, at most: while the store is slow there are fewer. 1 to 64, default 2. */
  readonly concurrency?: number;
  /** How long a worker that died keeps its lanes from others. 100 ms to 5 min, default '5s'. */
  readonly lease?: Duration;
}

/** How often and how soon something is tried again. */
export interface RetryOptions {
  /** How often a row may be refused before it is a dead letter. 1 to 1,000, default 3. */
  readonly attempts?: number;
  /** The first wait after a transient fault or a refusal; it doubles with each in a row. Default '100ms'. */
  readonly minDelay?: Duration;
  /** The longest wait. Default '30s'. */
  readonly maxDelay?: Duration;
}

/** How much may be pending, and what a write does that finds no room. */
export interface BackpressureOptions {
  /** Entries that may be pending. Default 100,000. */
  readonly maxEntries?: number;
  /** Estimated bytes of them. Default 256 MiB. */
  readonly maxBytes?: number;
  /**
   * What a write does that finds no room: wait for it, reject with MILLRACE_FULL, or go through to the store: it is
   * taken beyond the capacity, by at most `maxWaiters` entries and `maxWaitingBytes`, and acknowledged when the store
   * has it. A write of a pending key whose value does not become longer needs no room. Default 'wait'.
   */
  readonly onFull?: 'wait' | 'reject' | 'write-through';
  /**
   * Writes of this process, over all lanes, that may wait for room; one more is rejected with MILLRACE_FULL at once. At
   * 0 nobody waits. 0 to 10,000,000, default 10,000.
   */
  readonly maxWaiters?: number;
  /**
   * Bytes that they count with, over all lanes: a document or an event with its JSON text, an increment or a score with
   * its key and 24. Default 64 MiB.
   */
  readonly maxWaitingBytes?: number;
  /** How long a write waits for room before it is rejected with MILLRACE_FULL. 1 ms to 1 d, default '30s'. */
  readonly maxWait?: Duration;
}

/** Rows of one statement: unless something is given, and at the very most. */
const BATCH_SIZE = 500;
const BATCH_SIZE_MAX = 10_000;

/** Reads what every kind of cache has. */
export function readSettings(read: OptionReader, name: string, policy: Policy, front: Front | undefined): Settings {
  return {
    name,
    policy,
    lanes: read.integer('lanes', 4, 1, 256),
    shape: '',
    sumMax: 0n,
    loadWaitMs: read.duration('loadWait', 30_000, 1, 24 * 3_600_000) as number,
    ttlMs: read.duration('ttl', undefined, 1, Number.MAX_SAFE_INTEGER),
    ack: readAck(read, policy, front),
    flush: readFlush(read, policy),
    retry: readRetry(read),
    backpressure: readBackpressure(read),
    refreshAhead: read.fraction('refreshAhead'),
    maxValueBytes: read.integer('maxValueBytes', 2 ** 20, 1, 512 * 2 ** 20),
  };
}

function readFlush(read: OptionReader, policy: Policy): Settings['flush'] {
  const given = read.value('flush');
  if (given === false) return undefined;
  if (policy !== 'write-behind' && given !== undefined)
    read.fault(`flush has no meaning with policy '${policy}', which has nothing to flush.`);
  const flush = read.section('flush', ['maxDelay', 'batchSize', 'maxBatchSize', 'concurrency', 'lease']);
  const batchSize = flush.integer('batchSize', BATCH_SIZE, 1, BATCH_SIZE_MAX);
  // Whoever gives a size means it.
  const isGiven = flush.value('batchSize') !== undefined;
  return {
    maxDelayMs: flush.duration('maxDelay', 1_000, 1, 24 * 3_600_000) as number,
    batchSize,
    batchSizeMax: flush.integer('maxBatchSize', isGiven ? batchSize : BATCH_SIZE * 10, batchSize, BATCH_SIZE_MAX),
    concurrency: flush.integer('concurrency', 2, 1, 64),
    leaseMs: flush.duration('lease', 5_000, 100, 300_000) as number,
  };
}

function readRetry(read: OptionReader): Settings['retry'] {
  const retry = read.section('retry', ['attempts', 'minDelay', 'maxDelay']);
  const attempts = retry.integer('attempts', 3, 1, 1_000);
  const minDelayMs = retry.duration('minDelay', 100, 1, 60_000) as number;
  const maxDelayMs = retry.duration('maxDelay', 30_000, 1, 3_600_000) as number;
  if (minDelayMs > maxDelayMs) read.fault('retry.minDelay is longer than retry.maxDelay.');
  return { attempts, minDelayMs, maxDelayMs };
}

function readBackpressure(read: OptionReader): Settings['backpressure'] {
  const backpressure = read.section('backpressure', [
    'maxEntries',
    'maxBytes',
    'onFull',
    'maxWaiters',
    'maxWaitingBytes',
    'maxWait',
  ]);
  return {
    maxEntries: backpressure.integer('maxEntries', 100_000, 1, Number.MAX_SAFE_INTEGER),
    maxBytes: backpressure.integer('maxBytes', 256 * 2 ** 20, 1, Number.MAX_SAFE_INTEGER),
    onFull: backpressure.oneOf('onFull', ['wait', 'reject', 'write-through'] as const, 'wait'),
    maxWaiters: backpressure.integer('maxWaiters', 10_000, 0, 10_000_000),
    maxWaitingBytes: backpressure.integer('maxWaitingBytes', 64 * 2 ** 20, 0, Number.MAX_SAFE_INTEGER),
    maxWaitMs: backpressure.duration('maxWait', 30_000, 1, 24 * 3_600_000) as number,
  };
}

function readAck(read: OptionReader, policy: Policy, front: Front | undefined): AckLevel {
  const fallback: AckLevel = policy === 'write-behind' ? (front?.capabilities.defaultAck ?? 'buffered') : 'stored';
  const ack = read.oneOf('ack', ACK_LEVELS, fallback);
  const refusal = refuseAck(ack, policy, front);
  if (refusal !== undefined) read.fault(refusal);
  return ack;
}

/** Why a cache cannot acknowledge at this level, or undefined. */
export function refuseAck(ack: AckLevel, policy: Policy, front: Front | undefined): string | undefined {
  if (policy !== 'write-behind')
    return ack === 'stored'
      ? undefined
      : `ack '${ack}' has no meaning with policy '${policy}': its writes are always 'stored'.`;
  if (ack === 'stored' || front === undefined || front.capabilities.acks.includes(ack)) return undefined;
  const offered = [...front.capabilities.acks, 'stored'].map((level) => `'${level}'`).join(', ');
  return `ack '${ack}' cannot be given by the ${front.kind} front, which offers ${offered}.`;
}
