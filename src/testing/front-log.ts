import { strict as assert } from 'node:assert';
import type { Flight } from '../core/lane.ts';
import type { AppendBatch, AppendResult } from '../core/lane-log.ts';
import type { Shape } from '../core/shape.ts';
import { failsWith, fence, LONG_MS, type Register, recoveredAs } from './front-subject.ts';
import { checksOf, SHAPED, ShapeLane } from './shape-lane.ts';

const SHAPE: Shape = 'log';

/** Short words for what the tests do with lane 0 of a log. */
class Logging extends ShapeLane {
  append(entries: readonly string[], over: Partial<AppendBatch> = {}): Promise<AppendResult> {
    const bytes = entries.reduce((sum, entry) => sum + entry.length, 0);
    return this.lanes.append(0, { entries, bytes, shape: SHAPE, maxEntries: 1_000_000, maxBytes: 2 ** 30, ...over });
  }

  async entries({ generation }: Flight, limit = 100): Promise<string[]> {
    const found: string[] = [];
    for (;;) {
      const page = await this.lanes.readLog(0, 1, generation, found.length, limit);
      assert.ok(page.kind === 'entries');
      found.push(...page.entries);
      if (page.entries.length < limit) return found;
    }
  }
}

/** Appends keep their order, and none is coalesced. */
export function testLog(register: Register): void {
  const logging = checksOf(register, SHAPE, (bench, lanes) => new Logging(bench, lanes));

  logging('each append is an entry with a seq of its own', async (log) => {
    assert.deepEqual(await log.append(['1', '1', '{}']), {
      kind: 'accepted',
      seq: 3,
      epoch: 1,
      pending: 3,
      entries: 3,
      bytes: 4,
    });
    const { pendingSinceMs } = await log.header();
    assert.ok(pendingSinceMs > 0);
    assert.deepEqual(await log.append(['1']), { kind: 'accepted', seq: 4, epoch: 1, pending: 4, entries: 4, bytes: 5 });
    assert.equal((await log.header()).pendingSinceMs, pendingSinceMs);
    const flight = await log.cut();
    assert.deepEqual([flight.entries, flight.bytes, flight.cutSeq], [4, 5, 5]);
    assert.deepEqual(await log.entries(flight), ['1', '1', '{}', '1']);
  });

  logging('a generation has the entries of its cut, in their order and in pages', async (log) => {
    const entries = Array.from({ length: 5_000 }, (_, i) => `"entry ${i}"`);
    await log.append(entries.slice(0, 2_000));
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => log.append(entries.slice(2_000 + 100 * i, 2_100 + 100 * i))),
    );
    const flight = await log.cut();
    await log.append(['"later"']);
    assert.deepEqual(await log.entries(flight, 700), entries);
    assert.deepEqual(await log.lanes.readLog(0, 1, flight.generation, 4_999, 2), {
      kind: 'entries',
      entries: ['"entry 4999"'],
    });
    assert.deepEqual(await log.lanes.readLog(0, 1, flight.generation, 5_000, 2), { kind: 'entries', entries: [] });
    const header = await log.acknowledge(flight.generation);
    assert.deepEqual([header.pendingEntries, header.flight, header.storedSeq], [1, undefined, 5_001]);
    assert.deepEqual(await log.lanes.readLog(0, 1, flight.generation, 0, 2), { kind: 'refused', epoch: 1 });
    assert.deepEqual(await log.entries(await log.cut()), ['"later"']);
    assert.deepEqual(await log.lanes.readLog(0, 2, flight.generation + 1, 0, 2), { kind: 'refused', epoch: 1 });
  });

  logging('a log of long entries is read whole', async (log) => {
    // Two megabytes, which is more than one step should read.
    const entries = Array.from({ length: 40 }, (_, i) => `"${String(i).repeat(25_000)}"`);
    await log.append(entries);
    const flight = await log.cut();
    for (const limit of [7, 40, 500]) {
      const found = await log.entries(flight, limit);
      assert.ok(
        found.length === entries.length && found.every((entry, i) => entry === entries[i]),
        `in pages of ${limit}`,
      );
    }
  });

  logging('nothing gets in when there is not room for all', async (log) => {
    const full = { kind: 'full', entries: 2, bytes: 2 };
    await log.append(['1', '2']);
    assert.deepEqual(await log.append(['3', '4'], { maxEntries: 3 }), { ...full, refused: [1] });
    assert.deepEqual(await log.append(['"long"'], { maxBytes: 7 }), { ...full, refused: [0] });
    const flight = await log.cut();
    assert.deepEqual(await log.append(['3', '4'], { maxEntries: 3 }), { ...full, refused: [1] });
    assert.equal((await log.append(['3'], { maxEntries: 3 })).kind, 'accepted');
    await log.acknowledge(flight.generation);
    assert.deepEqual(await log.entries(await log.cut()), ['3']);
  });

  logging('entries are data', async (log) => {
    const entries = ['', '~', '?x', '\u0001', '{"é":"鍵 👍🏽"}', ' ', '-1', 'x'.repeat(2 ** 20)];
    await log.append(entries);
    assert.deepEqual(await log.entries(await log.cut(), 3), entries);
  });

  logging('another shape is refused', async (log) => {
    assert.deepEqual(await log.append(['1'], { shape: '' }), {
      kind: 'stopped',
      reason: 'it holds a log, not documents',
    });
    await assert.rejects(log.bench.attach({ cache: SHAPED }), failsWith('MILLRACE_OPTIONS'));
  });

  logging('behind the fence, what is stored is dropped', async (log) => {
    await log.append(['1']);
    await log.cut();
    await log.append(['2', '3']);
    const { seq } = await log.header();
    const recovered = recoveredAs(
      'behind',
      await log.lanes.recover(0, {
        fence: fence({ epoch: 2, generation: 4, seq: seq + 3, digest: 'later' }),
        owner: 'me',
        leaseMs: LONG_MS,
      }),
    );
    assert.equal(recovered.dropped, 3);
    assert.deepEqual(await log.append(['4']), {
      kind: 'accepted',
      seq: seq + 4,
      epoch: 2,
      pending: 1,
      entries: 1,
      bytes: 1,
    });
    assert.deepEqual(await log.lanes.readLog(0, 2, 4, 0, 10), { kind: 'refused', epoch: 2 });
  });

  logging('at the fence, the flight is read again', async (log) => {
    await log.append(['1']);
    const flight = await log.cut();
    await log.append(['2']);
    recoveredAs('current', await log.lanes.recover(0, { fence: fence({ epoch: 1 }), owner: 'me', leaseMs: LONG_MS }));
    assert.deepEqual(await log.entries(flight), ['1']);
    await log.acknowledge(flight.generation);
    assert.deepEqual(await log.entries(await log.cut()), ['2']);
  });
}
