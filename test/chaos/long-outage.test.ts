import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { attemptsMax } from '../../src/core/breaker.ts';

const HOURS = 6;
/** With 72,000 writes and 18,000 reads an hour, 6 bytes kept for each read would be more than this. */
const GROWTH_BYTES_MAX = 512 * 1024;
const DEFAULT_MAX_DELAY_MS = 30_000;

interface Report {
  readonly heaps: number[];
  readonly timers: number[];
  readonly during: {
    readonly attempts: number;
    readonly events: Record<string, number>;
    readonly refusedReads: number;
    readonly stats: { readonly pending: { readonly entries: number }; readonly lost: number };
  };
  readonly drainedInMs: number;
  readonly wrong: string[];
  readonly versionsMax: number;
  readonly report: unknown;
  readonly events: Record<string, number>;
  readonly tasksLeft: number;
}

test(`a store that is down for ${HOURS} virtual hours costs no memory, and all is stored when it is back`, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--import',
    './scripts/run-ts.mjs',
    'test/chaos/long-outage.ts',
    String(HOURS),
  ]);
  const { heaps, timers, during, drainedInMs, wrong, versionsMax, report, events, tasksLeft } = JSON.parse(
    stdout,
  ) as Report;
  console.info(
    `heap after each hour: ${heaps.map((bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`).join(', ')}; ` +
      `${during.attempts} attempts; drained ${drainedInMs} ms after it was back`,
  );
  expect(Math.max(...heaps) - (heaps[0] as number)).toBeLessThan(GROWTH_BYTES_MAX);
  expect(Math.max(...timers)).toBeLessThanOrEqual(8);

  expect(during.attempts).toBeLessThanOrEqual(attemptsMax(HOURS * 3_600_000, DEFAULT_MAX_DELAY_MS));
  expect(during.attempts).toBeGreaterThan(HOURS * 100);
  expect(during.refusedReads).toBe(HOURS * 18_000);
  expect(during.stats).toMatchObject({ lost: 0, pending: { entries: 2_500 } });
  // One event for the outage, however long; one for each flush that was tried.
  expect(during.events).toEqual({ breaker: 1, 'flush-failed': expect.any(Number) });
  expect(during.events['flush-failed']).toBeLessThanOrEqual(during.attempts);

  expect(drainedInMs).toBeLessThanOrEqual(DEFAULT_MAX_DELAY_MS + 10_000);
  expect(wrong).toEqual([]);
  // The generation that was cut when it went down, and the one that coalesced since.
  expect(versionsMax).toBe(2);
  expect(report).toEqual({ stored: 0, remaining: 0, dead: 0 });
  expect(Object.keys(events).sort()).toEqual(['breaker', 'flush-failed']);
  expect(tasksLeft).toBe(0);
});
