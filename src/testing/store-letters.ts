/** What is refused becomes a letter, and is read. */
import { strict as assert } from 'node:assert';
import { systemClock } from '../clock-and-random.ts';
import type { MillraceError } from '../errors.ts';
import type { AttachedStore, DeadLetter, DeadLetterStore } from '../ports/store.ts';
import { badRow, type LetterBench, type RegisterLetters, refuse, statesOf } from './letter-bench.ts';
import { testOperators } from './store-letter-operators.ts';
import { testLateRetries, testRetries } from './store-letter-retries.ts';
import { attach, cut, flushOf, judgeTwice, LANES, type Register } from './store-subject.ts';

export function testLetters(register: Register): void {
  const registerLetters = (name: string, check: (bench: LetterBench) => Promise<void>): void =>
    register(name, async (bench) => {
      const { badValue } = bench.subject;
      if (badValue === undefined || bench.lanes.deadLetters === undefined) return;
      await check(Object.assign(bench, { letters: bench.lanes.deadLetters, bad: badValue }));
    });
  testRefusals(registerLetters);
  testReading(registerLetters);
  testRetries(registerLetters);
  testLateRetries(registerLetters);
  testOperators(registerLetters);
}

function testRefusals(register: RegisterLetters): void {
  for (const [where, at] of Object.entries({ first: 0, 'in the middle': 499, last: 999 })) {
    register(`a bad row is kept as a letter and its neighbours are stored (${where})`, async (bench) => {
      await bench.fences.raiseEpoch(2);
      const rows = Array.from({ length: 1_000 }, (_, at) => bench.put(`key-${`${at}`.padStart(4, '0')}`, `${at}`, 2));
      const key = rows[at]?.key as string;
      rows[at] = badRow(bench, key, 2);
      const result = await bench.lanes.apply(flushOf([{ lane: 2 }], cut(rows, 100)));
      assert.ok(result.kind === 'applied');
      assert.equal(result.rows, 999);
      assert.deepEqual(
        result.refused.map(({ lane, key, state }) => ({ lane, key, state })),
        [{ lane: 2, key, state: 'dead' }],
      );
      const found = await bench.store.load(rows.map(({ key }) => key));
      assert.equal(found.size, 999);
      assert.ok(!found.has(key));
      const letter = await bench.letters.ofKey(key);
      assert.ok(letter !== undefined);
      const { createdAt, json, ...rest } = letter;
      const [refused] = result.refused;
      assert.deepEqual(JSON.parse(json as string), JSON.parse(bench.bad));
      assert.deepEqual(rest, {
        id: refused?.id,
        cache: 'conformance',
        lane: 2,
        key,
        kind: 'put',
        state: 'dead',
        attempts: 1,
        tries: 0,
        triedIn: undefined,
        retryAt: undefined,
        supersededAt: undefined,
        generation: 1,
        fromSeq: 1,
        cutSeq: 10,
        code: refused?.code,
        message: refused?.message,
      });
      assert.ok(Math.abs(createdAt.getTime() - Date.now()) < 60_000);
    });
  }

  register('several bad rows, and a batch of nothing else', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const bad = new Set([1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 25, 30]);
    const rows = Array.from({ length: 31 }, (_, at) =>
      bad.has(at) ? badRow(bench, `k${at}`) : bench.put(`k${at}`, `${at}`),
    );
    const result = await bench.apply({}, ...cut(rows, 10));
    assert.ok(result.kind === 'applied');
    assert.equal(result.rows, 31 - bad.size);
    assert.deepEqual(
      result.refused.map(({ key }) => key),
      [...bad].map((at) => `k${at}`),
    );
    for (const [at, { key }] of rows.entries()) await bench.expectText(key, bad.has(at) ? undefined : `${at}`);
    assert.deepEqual(await bench.letters.count(), { waiting: 0, dead: bad.size, superseded: 0 });
  });

  register('a generation that is fenced off leaves no letter', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.fences.raiseEpoch(0);
    await bench.apply({ epoch: 1 }, [badRow(bench, 'bad')]);
    assert.deepEqual(await bench.letters.count(), { waiting: 0, dead: 0, superseded: 0 });
  });
}

function testReading(register: RegisterLetters): void {
  register('letters are listed and read', async (bench) => {
    const { letters } = bench;
    assert.deepEqual(await letters.list({ limit: 10 }), []);
    assert.equal(await letters.get('1'), undefined);
    assert.equal(await letters.ofKey('k0'), undefined);
    await bench.fences.raiseEpoch(0);
    await bench.apply(
      { generation: 1 },
      Array.from({ length: 5 }, (_, at) => badRow(bench, `k${at}`)),
    );
    await bench.lanes.apply(flushOf([{ generation: 2 }], [[badRow(bench, 'k9')]], judgeTwice));
    const first = await letters.list({ limit: 4 });
    const all = [...first, ...(await letters.list({ limit: 4, after: first.at(-1)?.id }))];
    assert.deepEqual(
      all.map(({ key, state }) => `${key} ${state}`),
      ['k0 dead', 'k1 dead', 'k2 dead', 'k3 dead', 'k4 dead', 'k9 waiting'],
    );
    assert.equal(new Set(all.map(({ id }) => id)).size, 6);
    assert.deepEqual(await letters.list({ limit: 10, state: 'waiting' }), all.slice(5));
    assert.deepEqual(await letters.list({ limit: 10, state: 'dead' }), all.slice(0, 5));
    assert.deepEqual(await letters.count(), { waiting: 1, dead: 5, superseded: 0 });
    assert.deepEqual(await letters.get(all[5]?.id as string), all[5]);
    assert.deepEqual(await letters.ofKey('k9'), all[5]);
    assert.equal(await letters.get('no such id'), undefined);
    assert.deepEqual(await letters.find([all[1]?.id as string, all[5]?.id as string, '999999999', 'no such id']), [
      all[1],
      all[5],
    ]);
    assert.deepEqual(await letters.ofGeneration(0, 2), [all[5]]);
    assert.deepEqual(await letters.ofGeneration(1, 2), []);
    assert.equal(await letters.ofWrite('k1', 11), undefined, 'no generation of it has this seq');
    assert.deepEqual(await letters.ofWrite('k1', 10), all[1]);
  });

  register('letters are of one cache', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const [letter] = await refuse(bench, ['k']);
    const id = letter?.id as string;
    const others = (await attach(bench.subject.store, LANES, 'another')).lanes?.deadLetters as DeadLetterStore;
    assert.deepEqual(await others.count(), { waiting: 0, dead: 0, superseded: 0 });
    assert.deepEqual(
      [await others.list({ limit: 9 }), await others.find([id]), await others.ofGeneration(0, 1)],
      [[], [], []],
    );
    assert.deepEqual(
      [
        await others.get(id),
        await others.ofKey('k'),
        await others.ofWrite('k', 5),
        await others.redrive(id),
        await others.discard(id),
      ],
      Array.from({ length: 5 }),
    );
    assert.deepEqual(await others.due(0, 9), { letters: [], nextInMs: undefined, any: false });
    assert.deepEqual(await statesOf(bench, [letter as DeadLetter]), ['waiting']);
  });

  register('a cache with letters is not opened without write-behind', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const [letter] = await refuse(bench, ['k']);
    const open = (): Promise<AttachedStore> =>
      bench.subject.store.attach({
        cache: letter?.cache as string,
        lanes: LANES,
        clock: systemClock,
        writeBehind: false,
        onWarning: () => undefined,
      });
    await assert.rejects(
      open(),
      (error: MillraceError) =>
        error.code === 'MILLRACE_OPTIONS' && /has 1 waiting and 0 dead letters/.test(error.message),
    );
    await bench.letters.discard(letter?.id as string);
    await (await open()).close();
  });

  register('letters are due in their lane when their time has come', async (bench) => {
    await bench.fences.raiseEpoch(0);
    assert.deepEqual(await bench.letters.due(0, 9), { letters: [], nextInMs: undefined, any: false });
    await bench.lanes.apply(
      flushOf([{}], [[badRow(bench, 'later')]], () => ({ state: 'waiting', attempts: 1, retryInMs: 3_600_000 })),
    );
    const later = await bench.letters.due(0, 9);
    assert.ok(later.any && later.letters.length === 0 && (later.nextInMs ?? 0) > 3_500_000);
    const due = await refuse(bench, ['a', 'b', 'c'], 2);
    const now = await bench.letters.due(0, 2);
    assert.ok(now.nextInMs !== undefined && now.nextInMs <= 0);
    assert.deepEqual(now.letters, due.slice(0, 2), 'no more than were asked for');
    assert.deepEqual((await bench.letters.due(0, 0)).letters, []);
    assert.equal((await bench.letters.due(1, 9)).any, false);
  });
}
