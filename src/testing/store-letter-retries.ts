/** Letters that wait are tried again, by the last epoch of their lane alone. */
import { strict as assert } from 'node:assert';
import type { DeadLetter } from '../ports/store.ts';
import { type RegisterLetters, refuse, statesOf } from './letter-bench.ts';
import { judgeOnce, judgeTwice } from './store-subject.ts';

export function testRetries(register: RegisterLetters): void {
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

export function testLateRetries(register: RegisterLetters): void {
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
