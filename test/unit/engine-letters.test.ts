import { expect, test } from 'vitest';
import { FINISHED_KEPT_MS } from '../../src/core/letter.ts';
import { ACKNOWLEDGE_KEYS_MAX } from '../../src/engine/base/settings.ts';
import { MillraceError } from '../../src/index.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Rows that were refused and wait for another attempt. */

const unreachable = () => new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'no answer');

/** A cache with a key whose row is refused until `refusing.is` is false. */
async function withLetter(bench: EngineBench) {
  const refusing = { is: true };
  bench.store.hooks.refuse = ({ key }) => (refusing.is && key === 'bad' ? '23514' : undefined);
  const cache = bench.open({ retry: { attempts: 100, minDelay: 200, maxDelay: 200 } });
  const receipt = await bench.clock.until(cache.set('bad', 1));
  await bench.clock.until(cache.flush());
  return { cache, receipt, refusing };
}

test('a lane whose letters are finished and gone is not looked at any more', async () => {
  await using bench = new EngineBench();
  const { cache } = await withLetter(bench);
  let looks = 0;
  bench.onLetters.due = (go) => {
    looks++;
    return go();
  };
  const [letter] = await bench.clock.until(cache.deadLetters.list());
  await bench.clock.until(cache.deadLetters.discard(letter?.id ?? ''));
  await bench.clock.advance(FINISHED_KEPT_MS + 1_000);
  expect(looks).toBeGreaterThan(10);
  // The next generation sweeps what nobody waits for any more.
  await bench.clock.until(cache.set('good', 1, { ack: 'stored' }));
  await bench.clock.advance(2_000);
  looks = 0;
  await bench.clock.advance(10_000);
  expect(looks).toBe(0);
});

test('what a retry stored is forgotten by the front, however often that fails', async () => {
  await using bench = new EngineBench();
  const { cache, receipt, refusing } = await withLetter(bench);
  expect(await bench.clock.until(cache.get('bad'))).toBeUndefined();
  refusing.is = false;
  const faults = [
    () => Promise.reject(unreachable()),
    () => Promise.resolve({ kind: 'unrecovered' as const, header: undefined }),
  ];
  bench.onFront.invalidate = (go) => faults.shift()?.() ?? go();
  await bench.clock.advance(2_000);
  expect(faults).toEqual([]);
  await bench.clock.until(receipt.stored());
  expect(await bench.clock.until(cache.get('bad'))).toBe(1);
  expect(bench.store.versions.get('bad')).toEqual(['1']);
});

test('a retry whose answer was lost, and that is committed later, is told to the front', async () => {
  await using bench = new EngineBench();
  bench.store.rows.set('bad', '0');
  const { cache, receipt, refusing } = await withLetter(bench);
  // What was refused is forgotten, and the front has what the store has.
  expect(await bench.clock.until(cache.get('bad'))).toBe(0);
  let late: (() => Promise<unknown>) | undefined;
  const states: string[] = [];
  bench.onLetters.retry = async (go) => {
    if (late === undefined) {
      late = go;
      throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the connection was lost at COMMIT');
    }
    // Nothing had been committed when somebody looked for it.
    await late();
    const result = await go();
    states.push(...(result.kind === 'retried' ? result.letters.map(({ state }) => state) : []));
    return result;
  };
  refusing.is = false;
  await bench.clock.advance(2_000);
  expect(states).toEqual([]);
  await bench.clock.until(receipt.stored());
  expect(await bench.clock.until(cache.get('bad'))).toBe(1);
});

test.each([
  { by: 'this worker', triedIn: 1, counted: 1 },
  { by: 'the next one', triedIn: 2, counted: 0 },
])('a letter whose retry was not answered, and that $by stored, counts $counted here', async ({ triedIn, counted }) => {
  await using bench = new EngineBench();
  const { cache, receipt, refusing } = await withLetter(bench);
  refusing.is = false;
  const before = await bench.clock.until(cache.stats());
  bench.onLetters.retry = async (go) => {
    await go();
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the connection was lost after COMMIT');
  };
  bench.onLetters.find = async (go) => (await go()).map((letter) => Object.assign(letter, { triedIn }));
  await bench.clock.advance(2_000);
  await bench.clock.until(receipt.stored());
  expect((await bench.clock.until(cache.stats())).stored).toBe(before.stored + counted);
});

test("a retry that another worker's epoch refuses changes nothing; whoever has the lane then makes it", async () => {
  await using bench = new EngineBench();
  const { cache, receipt, refusing } = await withLetter(bench);
  refusing.is = false;
  let retries = 0;
  bench.onLetters.retry = (go) => (++retries === 1 ? Promise.resolve({ kind: 'fenced' }) : go());
  await bench.clock.advance(2_000);
  await bench.clock.until(receipt.stored());
  expect(retries).toBe(2);
  expect(await bench.clock.until(cache.get('bad'))).toBe(1);
});

test('who waits for a letter when the cache closes is told, and so is who asks later', async () => {
  await using bench = new EngineBench();
  const { cache, receipt } = await withLetter(bench);
  const gate = new Gate();
  bench.onLetters.find = async (go) => {
    const found = await go();
    await gate.pass();
    for (const letter of found) Object.assign(letter, { state: 'stored' });
    return found;
  };
  const waiting = outcome(receipt.stored());
  await bench.clock.until(gate.arrived);
  await bench.clock.until(cache.close({ timeout: 100 }));
  expect(await waiting).toMatch(/^MILLRACE_CLOSED/);
  // The store's answer comes too late for anybody.
  gate.open();
  await bench.clock.advance(10);
  expect(await outcome(receipt.stored())).toMatch(/^MILLRACE_CLOSED/);
  expect(bench.clock.tasks).toBe(0);
});

test('the front forgets refused rows in bounded steps before their generation counts as stored', async () => {
  await using bench = new EngineBench();
  const count = 2 * ACKNOWLEDGE_KEYS_MAX + 1;
  bench.store.hooks.refuse = ({ key }) => (key === 'good' ? undefined : '23514');
  const cache = bench.open({ retry: { attempts: 1 } });
  const receipts = await bench.clock.until(
    cache.setMany([['good', 1], ...Array.from({ length: count }, (_, n) => [`k${n}`, n] as const)]),
  );
  const steps: string[] = [];
  bench.onFront.acknowledge = async (go, _lane, { deadKeys, limit }) => {
    const result = await go();
    steps.push(
      `${deadKeys.length} of ${limit}, ${result.kind} at ${result.kind === 'refused' ? '' : result.header.storedSeq}`,
    );
    return result;
  };
  await bench.clock.until(cache.flush());
  const max = ACKNOWLEDGE_KEYS_MAX;
  expect(steps).toEqual([`${max} of 0, more at 0`, `${max} of 0, more at 0`, `1 of ${max}, done at ${count + 2}`]);
  expect(await bench.clock.until(cache.getMany(['good', 'k0', `k${count - 1}`]))).toEqual(new Map([['good', 1]]));
  expect(await bench.clock.until(outcome(receipts.at(-1)?.stored() as Promise<void>))).toMatch(/^MILLRACE_REJECTED/);
});
