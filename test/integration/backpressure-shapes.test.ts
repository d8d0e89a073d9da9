import { describe, expect, test, vi } from 'vitest';
import { type BackpressureOptions, createLeaderboard } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { frontPlaces } from '../support/fronts.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { NEVER } from '../support/stage.ts';
import { keyOf, type Opened, type Subject, subjects } from './shape-subjects.ts';

// Each test waits most of its time, and shares nothing with the others.
vi.setConfig({ maxConcurrency: 12 });

/** A write that is refused at once is refused within this time, also where files are slow; `maxWait` is far longer. */
const AT_ONCE_MS = 8_000;
const kinds = ['memory', 'lmdb', 'redis'] as const;
type Kind = (typeof kinds)[number];

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `w${String(from + i).padStart(2, '0')}`);
/** Takes all the room there is. */
const FIRST = 'w99';

/** Writes that were asked for, with what each was told so far. */
class Asked {
  readonly said = new Map<string, string>();
  readonly all: Promise<unknown>[] = [];

  ask(name: string, work: Promise<unknown>): void {
    this.all.push(outcome(work).then((text) => this.said.set(name, text)));
  }

  /** The names that were told so, in the order of names. */
  told(pattern: RegExp): string[] {
    return [...this.said].flatMap(([name, text]) => (pattern.test(text) ? [name] : [])).toSorted();
  }

  async answered(count: number): Promise<void> {
    const until = performance.now() + AT_ONCE_MS;
    while (this.said.size < count && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 2));
    if (this.said.size < count) throw new Error(`${this.said.size} of ${count} are answered within ${AT_ONCE_MS} ms`);
  }
}

interface Scene {
  readonly cache: Opened;
  readonly store: MemoryStore;
  readonly asked: Asked;
  /** Shut before the store where flushing goes on. */
  readonly gate: Gate;
  write(name: string, ...options: [{ readonly signal: AbortSignal }?]): Promise<unknown>;
  ask(names: readonly string[]): void;
  /** Makes room, and waits until every write is answered and stored: exactly `written`, each once, in their order. */
  end(written: readonly string[]): Promise<void>;
}

let caches = 0;

/** A cache whose one entry is taken. Nothing makes room: flushing is paused, or the store takes nothing. */
async function full(
  { kind, subject, lanes }: { kind: Kind; subject: Subject; lanes: number },
  backpressure: BackpressureOptions,
  run: (scene: Scene) => Promise<void>,
  held: 'paused' | 'by the store' = 'paused',
): Promise<void> {
  await using place = await frontPlaces[kind]();
  const gate = new Gate();
  const store = new MemoryStore(held === 'paused' ? {} : { beforeApply: () => gate.pass() }, subject.holds);
  const { cache, write } = subject.open({
    name: `c${caches++}`,
    front: place.front(),
    store,
    lanes,
    flush: NEVER,
    backpressure: { maxEntries: 1, ...backpressure },
  });
  const asked = new Asked();
  const ask = (list: readonly string[]): void => {
    for (const name of list) asked.ask(name, write(name));
  };
  const end = async (written: readonly string[]): Promise<void> => {
    gate.open();
    await cache.resume();
    await Promise.all(asked.all);
    expect(asked.told(/^written/)).toEqual(written);
    await cache.flush();
    const stored = subject.stored(store);
    expect(stored.toSorted()).toEqual([...written, FIRST].toSorted());
    if (subject.holds === 'log') inOrder(subject, stored, [FIRST, ...written]);
  };
  try {
    await write(FIRST);
    if (held === 'paused') await cache.pause();
    await run({ cache, store, asked, gate, write, ask, end });
  } finally {
    gate.open();
    await cache.close({ timeout: 0 });
  }
}

/** Events of a key are stored in the order in which they were asked for; without a key, all are. */
function inOrder({ what }: Subject, stored: readonly string[], asked: readonly string[]): void {
  const keys = what === 'a log' ? [undefined] : [...new Set(stored.map(keyOf))];
  for (const key of keys) {
    const ofKey = (list: readonly string[]) => list.filter((name) => key === undefined || keyOf(name) === key);
    expect(ofKey(stored)).toEqual(ofKey(asked));
  }
}

// Those of one front do not all run at the same time.
const cases = subjects.flatMap((subject) =>
  subject.lanes.flatMap((lanes) => kinds.map((kind) => ({ kind, subject, lanes, what: subject.what }))),
);

describe.concurrent.each(cases)('$what on the $kind front with lanes: $lanes', (on) => {
  const { subject } = on;
  const { waitingBytes } = subject;

  test.each([
    { limit: { maxWaiters: 8 }, wait: 8, named: 'maxWaiters' },
    { limit: { maxWaiters: 0 }, wait: 0, named: 'maxWaiters' },
    { limit: { maxWaitingBytes: 2 * waitingBytes }, wait: 2, named: 'maxWaitingBytes' },
    { limit: { maxWaitingBytes: 2 * waitingBytes - 1 }, wait: 1, named: 'maxWaitingBytes' },
  ])('$limit lets no more of 20 wait, in their order, and refuses the others at once', ({ limit, wait, named }) =>
    full(on, limit, async ({ cache, asked, ask, end }) => {
      ask(names(0, 20));
      await asked.answered(20 - wait);
      const refused = asked.told(new RegExp(`^MILLRACE_FULL .*\\(backpressure\\.${named}\\)`));
      expect(refused).toHaveLength(20 - wait);
      expect((await cache.stats()).refused).toBe(20 - wait);
      await end(names(0, 20).filter((name) => !refused.includes(name)));
      expect((await cache.stats()).refused).toBe(20 - wait);
    }),
  );

  test("with onFull 'reject' nobody waits", () =>
    full(on, { onFull: 'reject' }, async ({ asked, ask, end }) => {
      ask(names(0, 20));
      await asked.answered(20);
      expect(asked.told(/^MILLRACE_FULL/)).toHaveLength(20);
      await end([]);
    }));

  test('a write of what is pending needs no room, but each event does', () =>
    full(on, { maxWaiters: 0 }, async ({ asked, ask }) => {
      ask([FIRST]);
      await asked.answered(1);
      expect(asked.told(subject.coalesces ? /^written/ : /^MILLRACE_FULL/)).toEqual([FIRST]);
    }));

  test('a write waits for so long, and then nothing of it is kept', () =>
    full(on, { maxWait: 40 }, async ({ cache, asked, ask, end }) => {
      const startedAt = performance.now();
      ask(names(0, 3));
      await asked.answered(1);
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(39);
      await asked.answered(3);
      expect(asked.told(/^MILLRACE_FULL .*40 ms/)).toEqual(names(0, 3));
      expect((await cache.stats()).refused).toBe(3);
      await end([]);
    }));

  test('an aborted signal takes a waiting write back, and its place is free', () =>
    full(on, { maxWaiters: 8 }, async ({ asked, ask, write, end }) => {
      const aborts = new Map(names(0, 20).map((name) => [name, new AbortController()]));
      for (const [name, { signal }] of aborts) asked.ask(name, write(name, { signal }));
      await asked.answered(12);
      const waiting = names(0, 20).filter((name) => !asked.said.has(name));
      for (const name of waiting.slice(2, 6)) aborts.get(name)?.abort();
      await asked.answered(16);
      expect(asked.told(/^MILLRACE_ABORTED .*nothing of it was written/)).toEqual(waiting.slice(2, 6));
      ask(names(20, 26));
      await asked.answered(18);
      const later = names(20, 26).filter((name) => !asked.said.has(name));
      expect(later).toHaveLength(4);
      await end([...waiting.slice(0, 2), ...waiting.slice(6), ...later]);
    }));

  describe('when it closes', () => {
    test('those who wait are stored', () =>
      full(
        on,
        {},
        async ({ cache, store, asked, ask, gate }) => {
          ask(names(0, 5));
          await gate.arrived;
          const closing = cache.close({ timeout: '10s' });
          gate.open();
          expect(await closing).toEqual({ stored: 6, remaining: 0, dead: 0 });
          await asked.answered(5);
          expect(asked.told(/^written/)).toEqual(names(0, 5));
          expect(subject.stored(store).toSorted()).toEqual([...names(0, 5), FIRST]);
        },
        'by the store',
      ));

    test('those who wait are turned away at the deadline', () =>
      full(
        on,
        {},
        async ({ cache, store, asked, ask, gate }) => {
          ask(names(0, 5));
          await gate.arrived;
          expect(await cache.close({ timeout: 50 })).toEqual({ stored: 0, remaining: 1, dead: 0 });
          await asked.answered(5);
          expect(asked.told(/^MILLRACE_CLOSED .*waited for room\. Nothing of it was kept/)).toEqual(names(0, 5));
          gate.open();
          expect(subject.stored(store).filter((name) => name !== FIRST)).toEqual([]);
        },
        'by the store',
      ));

    test('those who wait are turned away at once while flushing is paused', () =>
      full(on, {}, async ({ cache, asked, ask }) => {
        ask(names(0, 5));
        const closing = cache.close({ timeout: 2 * AT_ONCE_MS });
        await asked.answered(5);
        expect(asked.told(/^MILLRACE_CLOSED .*waited for room\. Nothing of it was kept/)).toEqual(names(0, 5));
        expect(await closing).toEqual({ stored: 0, remaining: 1, dead: 0 });
      }));
  });
});

describe.concurrent.each(kinds)('a cold leaderboard on the %s front', (kind) => {
  test.each([
    { op: 'add', keep: 'last', score: 185 },
    { op: 'set', keep: 'last', score: 9 },
    { op: 'set', keep: 'best', score: 9 },
  ] as const)('waits for its loading where nobody may wait for room: $op, keep $keep', async ({ op, keep, score }) => {
    await using place = await frontPlaces[kind]();
    const gate = new Gate();
    const store = new MemoryStore({ beforeLoad: () => gate.pass() }, 'scores');
    store.rows.set('ann', '5').set('bob', '4');
    const board = createLeaderboard({
      name: `c${caches++}`,
      front: place.front(),
      store,
      keep,
      flush: NEVER,
      backpressure: { maxEntries: 1, maxWaiters: 0, maxWaitingBytes: 0 },
    });
    try {
      await board.ready();
      await board.pause();
      const asked = new Asked();
      asked.ask('first', board[op]('ann', 9));
      const reading = board.rank('ann');
      await gate.arrived;
      // Whoever is asked next finds that one waiting.
      await board.stats();
      for (const name of names(0, 19)) asked.ask(name, board[op]('ann', 9));
      gate.open();
      await asked.answered(20);
      expect(asked.told(/^written/)).toEqual(['first', ...names(0, 19)]);
      expect(await reading).toBe(1);
      await board.resume();
      await board.flush();
      expect(Object.fromEntries(store.rows)).toEqual({ ann: `${score}`, bob: '4' });
    } finally {
      await board.close({ timeout: 0 });
    }
  });
});
