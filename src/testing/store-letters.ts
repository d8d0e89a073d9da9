import { strict as assert } from 'node:assert';
import { systemClock } from '../clock-and-random.ts';
import type { MillraceError } from '../errors.ts';
import type { AttachedStore, DeadLetter, DeadLetterStore, Mutation } from '../ports/store.ts';
import { attach, type Bench, cut, flushOf, judgeOnce, judgeTwice, LANES, type Register } from './store-subject.ts';

/** A bench whose store refuses a value that it knows of. */
interface LetterBench extends Bench {
  readonly letters: DeadLetterStore;
  readonly bad: string;
}

/** What is refused, and what becomes of it. */
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
  testSuperseding(registerLetters);
  testOperators(registerLetters);
}

type RegisterLetters = (name: string, check: (bench: LetterBench) => Promise<void>) => void;

const badRow = ({ bad }: LetterBench, key: string, lane = 0): Mutation => ({ lane, key, json: bad });

/** Applies generation `generation` of lane 0 with a refused row of each key, which waits. */
async function refuse(bench: LetterBench, keys: readonly string[], generation = 1): Promise<DeadLetter[]> {
  const result = await bench.lanes.apply(
    flushOf([{ generation, letters: true }], [keys.map((key) => badRow(bench, key))], judgeTwice),
  );
  assert.ok(result.kind === 'applied');
  return bench.letters.find(result.refused.map(({ id }) => id));
}

const statesOf = async (bench: LetterBench, letters: readonly DeadLetter[]): Promise<string[]> =>
  (await bench.letters.find(letters.map(({ id }) => id))).map(({ state }) => state);

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

function testRetries(register: RegisterLetters): void {
  register('a retry is refused until the attempts are used up', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['a', 'b']);
    assert.deepEqual(
      letters.map(({ state, attempts }) => ({ state, attempts })),
      Array.from({ length: 2 }, () => ({ state: 'waiting', attempts: 1 })),
    );
    const again = await bench.letters.retry(0, 1, letters, ({ attempts = 0 }) => ({
      state: 'waiting',
      attempts: attempts + 1,
      retryInMs: 60_000,
    }));
    assert.ok(again.kind === 'retried');
    assert.deepEqual(
      again.letters.map(({ state, attempts }) => ({ state, attempts })),
      Array.from({ length: 2 }, () => ({ state: 'waiting', attempts: 2 })),
    );
    assert.ok(again.letters.every(({ retryAt }) => retryAt !== undefined));
    const last = await bench.letters.retry(0, 1, again.letters, judgeOnce);
    assert.ok(last.kind === 'retried');
    assert.deepEqual(
      last.letters.map(({ state, attempts, retryAt }) => ({ state, attempts, retryAt })),
      Array.from({ length: 2 }, () => ({ state: 'dead', attempts: 3, retryAt: undefined })),
    );
    assert.deepEqual(
      await bench.letters.find(letters.map(({ id }) => id)),
      last.letters.toSorted((a, b) => Number(a.id) - Number(b.id)),
    );
    assert.deepEqual(JSON.parse(last.letters[0]?.json as string), JSON.parse(bench.bad), 'the value is kept');
    await bench.expectText('a', undefined);
  });

  register('a retry that is accepted stores its row, and the fence stays', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.store.commit([bench.put('gone', '1')]);
    await refuse(bench, ['bad', 'good', 'gone']);
    const letters = await bench.letters.list({ limit: 9 });
    const mended = letters.map(
      (letter): DeadLetter =>
        letter.key === 'bad'
          ? letter
          : letter.key === 'gone'
            ? { ...letter, kind: 'delete', json: undefined }
            : { ...letter, json: bench.subject.value('mended') },
    );
    const result = await bench.letters.retry(0, 1, mended, judgeTwice);
    assert.ok(result.kind === 'retried');
    await bench.expectText('good', 'mended');
    await bench.expectText('gone', undefined);
    await bench.expectText('bad', undefined);
    assert.deepEqual(await statesOf(bench, letters), ['dead', 'stored', 'stored']);
    assert.deepEqual((await bench.letters.storedKeys(0)).toSorted(), ['gone', 'good']);
    assert.ok(
      (await bench.letters.find(letters.map(({ id }) => id))).every(
        ({ state, json }) => state === 'dead' || json === undefined,
      ),
      'a finished letter has no value',
    );
    assert.deepEqual(await bench.letters.count(), { waiting: 0, dead: 1, superseded: 0 });
    const { epoch, generation } = await bench.fences.raiseEpoch(0);
    assert.deepEqual({ epoch, generation }, { epoch: 2, generation: 1 });
  });

  register('a retry of an old epoch does nothing', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['k']);
    await bench.fences.raiseEpoch(0);
    assert.deepEqual(await bench.letters.retry(0, 1, letters, judgeOnce), { kind: 'fenced' });
    assert.deepEqual(await statesOf(bench, letters), ['waiting']);
    assert.equal((await bench.letters.ofKey('k'))?.triedIn, undefined);
    const result = await bench.letters.retry(0, 2, letters, judgeOnce);
    assert.equal(result.kind, 'retried');
    assert.equal((await bench.letters.find(letters.map(({ id }) => id)))[0]?.triedIn, 2, 'it says who tried it last');
    assert.deepEqual(await statesOf(bench, letters), ['dead']);
  });

  register('a letter that does not wait any more is left alone', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['superseded', 'discarded']);
    await bench.apply({ generation: 2, letters: true }, [bench.put('superseded', 'newer')]);
    await bench.letters.discard(letters.find(({ key }) => key === 'discarded')?.id as string);
    assert.deepEqual(await bench.letters.retry(0, 1, letters, judgeOnce), { kind: 'retried', letters: [] });
    await bench.expectText('superseded', 'newer');
    assert.deepEqual((await statesOf(bench, letters)).toSorted(), ['discarded', 'superseded']);
  });
}

function testLateRetries(register: RegisterLetters): void {
  register('a retry that is carried out after another one, and a redrive, does nothing', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['k']);
    const mended = letters.map((letter): DeadLetter => ({ ...letter, json: bench.subject.value('late') }));
    await bench.letters.retry(0, 1, letters, judgeOnce);
    assert.deepEqual(await bench.letters.retry(0, 1, mended, judgeOnce), { kind: 'retried', letters: [] });
    await bench.letters.redrive(letters[0]?.id as string);
    assert.deepEqual(await bench.letters.retry(0, 1, mended, judgeOnce), { kind: 'retried', letters: [] });
    await bench.expectText('k', undefined);
    const [redriven] = (await bench.letters.due(0, 9)).letters;
    assert.equal(redriven?.tries, 1);
    await bench.letters.retry(0, 1, [{ ...redriven, json: bench.subject.value('in time') }], judgeOnce);
    await bench.expectText('k', 'in time');
  });
}

function testSuperseding(register: RegisterLetters): void {
  register('a later write of the key supersedes its letter, whether it waits or is dead', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const waiting = await refuse(bench, ['a', 'b', 'c', 'other']);
    await bench.lanes.apply(flushOf([{ generation: 2, letters: true }], [[badRow(bench, 'd')]]));
    const dead = await bench.letters.ofKey('d');
    const result = await bench.apply(
      { generation: 3, letters: true },
      [bench.put('a', 'newer'), bench.remove('b')],
      [badRow(bench, 'c'), bench.put('d', 'newer')],
    );
    assert.ok(result.kind === 'applied');
    assert.equal(result.superseded, 3);
    assert.deepEqual(
      (await bench.letters.find(waiting.map(({ id }) => id))).map(({ key, state }) => `${key} ${state}`).toSorted(),
      ['a superseded', 'b superseded', 'c superseded', 'other waiting'],
    );
    const after = await bench.letters.get(dead?.id as string);
    assert.equal(after?.state, 'dead');
    assert.ok(after.supersededAt !== undefined);
    assert.deepEqual(await bench.letters.count(), { waiting: 1, dead: 1, superseded: 1 });
    assert.deepEqual(await bench.letters.ofKey('a'), undefined);
    assert.equal(
      (await bench.letters.ofKey('c'))?.generation,
      3,
      'the letter of the later write is not superseded by itself',
    );
  });

  register('a commit outside the lanes supersedes as well', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['a', 'b']);
    await bench.store.commit([bench.put('a', 'newer')]);
    await bench.store.commit([bench.remove('b')]);
    assert.deepEqual(await statesOf(bench, letters), ['superseded', 'superseded']);
    await bench.expectText('a', 'newer');
  });
}

function testOperators(register: RegisterLetters): void {
  register('a redriven letter waits again, with all attempts before it', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['k', 'other']);
    const k = letters.find(({ key }) => key === 'k')?.id as string;
    await bench.letters.retry(0, 1, letters, judgeOnce);
    assert.deepEqual((await bench.letters.due(0, 9)).letters, []);
    assert.deepEqual(await bench.letters.redrive(k), { kind: 'waiting', lane: 0, revived: true });
    assert.deepEqual(await bench.letters.redrive(k), { kind: 'waiting', lane: 0, revived: false });
    assert.deepEqual(
      (await bench.letters.due(0, 9)).letters.map(({ id, attempts }) => ({ id, attempts })),
      [{ id: k, attempts: 0 }],
    );
    assert.equal(await bench.letters.redrive('999999999'), undefined);
    assert.equal(await bench.letters.redrive('no such id'), undefined);
  });

  register('a superseded letter is not redriven but removed', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.apply({ letters: true }, [badRow(bench, 'k')]);
    const { id } = (await bench.letters.ofKey('k')) as DeadLetter;
    await bench.apply({ generation: 2, letters: true }, [bench.put('k', 'newer')]);
    assert.deepEqual(await bench.letters.redrive(id), { kind: 'superseded' });
    assert.equal(await bench.letters.get(id), undefined);
    // Its write was dead, which whoever waits for it has to hear.
    assert.deepEqual(
      (await bench.letters.find([id])).map(({ state, json }) => ({ state, json })),
      [{ state: 'discarded', json: undefined }],
    );
    await bench.expectText('k', 'newer');
  });

  register('a redrive and a later write at the same time end with the later one', async (bench) => {
    await bench.fences.raiseEpoch(0);
    for (let round = 1; round <= 20; round++) {
      await bench.apply({ generation: round * 2 - 1, letters: true }, [badRow(bench, 'k')]);
      const { id } = (await bench.letters.ofKey('k')) as DeadLetter;
      const [, redriven] = await Promise.all([
        bench.apply({ generation: round * 2, letters: true }, [bench.put('k', `${round}`)]),
        bench.letters.redrive(id),
      ]);
      assert.ok(redriven !== undefined);
      const [letter] = await bench.letters.find([id]);
      assert.ok(letter?.state === 'discarded' || letter?.state === 'superseded', `it is ${letter?.state}`);
    }
    await bench.expectText('k', '20');
  });

  register('a discarded letter is gone, and tells so while somebody may wait for it', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const letters = await refuse(bench, ['k']);
    const id = letters[0]?.id as string;
    assert.equal(await bench.letters.discard(id), 'waiting');
    assert.equal(await bench.letters.discard(id), undefined);
    assert.equal(await bench.letters.redrive(id), undefined);
    assert.equal(await bench.letters.get(id), undefined);
    assert.deepEqual(
      (await bench.letters.find([id])).map(({ state, json }) => ({ state, json })),
      [{ state: 'discarded', json: undefined }],
    );
    assert.deepEqual(await bench.letters.count(), { waiting: 0, dead: 0, superseded: 0 });
    assert.equal(await bench.letters.discard('no such id'), undefined);
  });
}
