/** Letters give way to later writes, and operators redrive or discard them. */
import { strict as assert } from 'node:assert';
import type { DeadLetter } from '../ports/store.ts';
import { badRow, type RegisterLetters, refuse, statesOf } from './letter-bench.ts';
import { flushOf, judgeOnce } from './store-subject.ts';

export function testOperators(register: RegisterLetters): void {
  testSuperseding(register);
  testRedrives(register);
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

function testRedrives(register: RegisterLetters): void {
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
