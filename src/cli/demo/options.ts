import type { Duration, Policy } from '../../index.ts';
import { UsageError } from '../failure.ts';

export const POLICIES: readonly Policy[] = ['write-through', 'write-behind', 'cache-aside'];
export const WRITES_MAX = 1_000_000;
export const IN_FLIGHT_MAX = 10_000;
export const STORE_LATENCY_MS_MAX = 60_000;
/** Up to here one write waits for the other, so that a latency is that of one write and nothing else. */
export const WRITES_ONE_BY_ONE_MAX = 1_000;
const IN_FLIGHT_ABOVE = 64;

export interface DemoOptions {
  readonly writes: number;
  readonly inFlight: number;
  readonly redis: string | undefined;
  readonly postgres: string | undefined;
  readonly storeLatencyMs: number;
  /** Undefined: Millrace's default. */
  readonly flushDelay: Duration | undefined;
  readonly batchSize: number | undefined;
  readonly seed: number;
  readonly keep: boolean;
}

/** The options as commander gives them. */
export interface DemoFlags {
  readonly writes: number;
  readonly inFlight?: number;
  readonly redis?: string;
  readonly postgres?: string;
  readonly storeLatency: number;
  readonly flushDelay?: string;
  readonly batchSize?: number;
  readonly seed: number;
  readonly keep?: boolean;
}

export function demoOptions(flags: DemoFlags): DemoOptions {
  return {
    writes: flags.writes,
    inFlight: flags.inFlight ?? (flags.writes <= WRITES_ONE_BY_ONE_MAX ? 1 : IN_FLIGHT_ABOVE),
    redis: serverUrl(flags.redis, '--redis', ['redis:', 'rediss:']),
    postgres: serverUrl(flags.postgres, '--postgres', ['postgres:', 'postgresql:']),
    storeLatencyMs: flags.storeLatency,
    flushDelay: flags.flushDelay === undefined ? undefined : durationOf(flags.flushDelay),
    batchSize: flags.batchSize,
    seed: flags.seed,
    keep: flags.keep === true,
  };
}

/** A bare number is milliseconds, as everywhere. Checked here, before a database is set up for nothing. */
function durationOf(text: string): Duration {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (match === null) throw new UsageError('--flush-delay wants a duration such as 100ms or 5s');
  return match[2] === undefined ? Number(text) : (text as Duration);
}

/** The URL is never repeated in the message: it may hold a password. */
function serverUrl(url: string | undefined, option: string, protocols: readonly string[]): string | undefined {
  if (url === undefined) return undefined;
  if (!URL.canParse(url) || !protocols.includes(new URL(url).protocol)) {
    throw new UsageError(
      `${option} wants a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    );
  }
  return url;
}
