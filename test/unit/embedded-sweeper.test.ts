import { describe, expect, test } from 'vitest';
import { Sweeper, sweepTime } from '../../src/fronts/embedded/sweeper.ts';
import { MemoryTable } from '../../src/fronts/memory/memory-table.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

describe('sweepTime', () => {
  test.each([0, 1, 7, 8, 100, 999, 60_000, 3_600_000, 86_400_000 * 30])(
    'is at the expiry or an eighth of %i ms later at most',
    (lifeMs) => {
      for (let nowMs = 1_700_000_000_000; nowMs < 1_700_000_000_050; nowMs++) {
        const late = sweepTime(nowMs + lifeMs, nowMs) - (nowMs + lifeMs);
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThanOrEqual(Math.max(1, lifeMs / 8));
      }
    },
  );

  test('gives few dates to a key that is cleaned over and over', () => {
    const lifeMs = 3_600_000;
    const dates = new Set<number>();
    for (let ms = 0; ms < lifeMs; ms += 1_000)
      dates.add(sweepTime(1_700_000_000_000 + ms + lifeMs, 1_700_000_000_000 + ms));
    expect(dates.size).toBeLessThanOrEqual(17);
  });
});

describe('a table in memory', () => {
  const T0 = 1_700_000_000_000;

  test('is swept in bounded parts, and only of what has expired', () => {
    const due: number[] = [];
    const table = new MemoryTable('run', (atMs) => due.push(atMs));
    table.nowMs = T0;
    for (let i = 0; i < 25; i++) table.writeSlot(`k${i}`, '1', T0 + 1_000);
    table.writeSlot('k0', '"dirty"');
    table.writeSlot('k1', '"later"', T0 + 100_000);
    expect(due).toEqual([sweepTime(T0 + 1_000, T0), sweepTime(T0 + 100_000, T0)]);
    expect(table.sweep(T0 + 500, 10)).toEqual({ looked: 0, nextAtMs: due[0] });
    const at = due[0] as number;
    expect(table.sweep(at, 10)).toEqual({ looked: 10, nextAtMs: at });
    expect(table.sweep(at, 10)).toEqual({ looked: 10, nextAtMs: at });
    expect(table.sweep(at, 10)).toEqual({ looked: 5, nextAtMs: due[1] });
    // By a clock that was set back, what is left can be seen.
    table.nowMs = T0;
    expect(Array.from({ length: 25 }, (_, i) => table.readSlot(`k${i}`)).filter((raw) => raw !== undefined)).toEqual([
      '"dirty"',
      '"later"',
    ]);
    expect(table.sweep(due[1] as number, 10)).toEqual({ looked: 1, nextAtMs: Number.POSITIVE_INFINITY });
  });
});

describe('a sweeper', () => {
  test('comes when something is due, again while there is more, and never without a clock', async () => {
    const clock = new VirtualClock();
    const t0 = clock.now();
    const seen: number[] = [];
    let left = 3;
    const sweeper = new Sweeper((nowMs) => {
      seen.push(nowMs - t0);
      return { more: --left > 0, nextAtMs: undefined };
    });
    sweeper.due(t0 + 500);
    await clock.advance(1_000);
    expect(seen).toEqual([]);
    const stop = sweeper.use(clock);
    await clock.advance(1_000);
    expect(seen).toEqual([1_001, 1_002, 1_003]);
    expect(clock.tasks).toBe(0);
    sweeper.due(t0 + 10_000);
    sweeper.due(t0 + 20_000);
    sweeper.due(t0 + 5_000);
    expect(clock.tasks).toBe(1);
    await clock.advance(3_000);
    expect(seen.at(-1)).toBe(5_000);
    sweeper.due(t0 + 50_000);
    stop();
    expect(clock.tasks).toBe(0);
    await clock.advance(100_000);
    expect(seen).toHaveLength(4);
  });

  test('goes on with the clock of another user', async () => {
    const [first, second] = [new VirtualClock(), new VirtualClock()];
    let sweeps = 0;
    const sweeper = new Sweeper(() => {
      sweeps++;
      return { more: false, nextAtMs: undefined };
    });
    const stop = sweeper.use(first);
    sweeper.use(second);
    sweeper.due(first.now() + 100);
    stop();
    await second.advance(1_000);
    expect(sweeps).toBe(1);
  });

  test('looks at least once a minute, and after a failure too', async () => {
    const clock = new VirtualClock();
    let sweeps = 0;
    const sweeper = new Sweeper(async (nowMs) => {
      sweeps++;
      if (sweeps === 1) throw new Error('the disk is full');
      return { more: false, nextAtMs: nowMs + 3_600_000 };
    });
    sweeper.use(clock);
    sweeper.due(clock.now());
    await clock.advance(1_000);
    expect(sweeps).toBe(1);
    await clock.advance(60_000);
    expect(sweeps).toBe(2);
    await clock.advance(60_000);
    expect(sweeps).toBe(3);
  });
});
