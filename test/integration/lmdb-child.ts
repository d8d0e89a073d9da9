/**
 * Another process with the same LMDB folder. Arguments: folder, then what to do:
 * `hold`   attach, say so, and stay
 * `write`  write key after key for ever, telling each seq that was acknowledged
 * `open`   open the environment and close it 3,000 times, as any process that comes does, then say so
 * `batch`  write 200 times, tell the seqs
 * `fill`   write until it is refused, tell what is there then
 * `drain`  write through a cache over a store that is down until it is refused, tell what the store has when it is back
 */

import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { WriteResult } from '../../src/core/lane-write.ts';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import { openEnvironment } from '../../src/fronts/lmdb/open.ts';
import { createCache, MillraceError } from '../../src/index.ts';
import { batchOf, fence } from '../../src/testing/front-subject.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';

const [path, what] = process.argv.slice(2) as [string, string];
const say = (word: unknown): void => void process.stdout.write(`${JSON.stringify(word)}\n`);

if (what === 'open') {
  for (let times = 0; times < 3_000; times++) await openEnvironment(path).close();
  say('done');
  process.exit();
}

const lanes = await lmdbFront({ path }).attach({
  cache: 'c',
  lanes: 1,
  acks: ['fsynced'],
  clock: systemClock,
  random: systemRandom,
  writeBehind: true,
  onReconnect: () => undefined,
  onWarning: say,
});

async function write(i: number, value = `"${i} of ${process.pid}"`): Promise<number> {
  const result: WriteResult = await lanes.write(0, batchOf([[`k${i}`, value]]));
  if (result.kind !== 'accepted') throw new Error(JSON.stringify(result));
  return result.seq;
}

switch (what) {
  case 'hold': {
    setInterval(() => undefined, 1_000);
    say('ready');
    break;
  }
  case 'write': {
    await lanes.recover(0, { fence: fence(), owner: '', leaseMs: 0 });
    let next = 0;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (;;) {
          const i = next++;
          say([i, await write(i)]);
        }
      }),
    );
    break;
  }
  case 'batch': {
    say(await Promise.all(Array.from({ length: 200 }, async (_, i) => write(i))));
    await lanes.close();
    break;
  }
  case 'fill': {
    await lanes.recover(0, { fence: fence(), owner: '', leaseMs: 0 });
    const value = JSON.stringify('x'.repeat(20_000));
    let written = 0;
    const codes: unknown[] = [];
    while (codes.length < 3 && written < 10_000) {
      try {
        await write(written, value);
        written++;
      } catch (error) {
        codes.push((error as { code?: unknown }).code);
      }
    }
    const { header } = await lanes.header(0);
    const inspected = await lanes.inspect(0, `k${written}`);
    say({
      written,
      codes,
      seq: header?.seq,
      pendingEntries: header?.pendingEntries,
      next: inspected.raw ?? null,
      nextPending: inspected.pending,
      last: (await lanes.read(0, `k${written - 1}`)) === value,
    });
    await lanes.close();
    break;
  }
  case 'drain': {
    await lanes.close();
    const server = { isDown: true };
    const store = new MemoryStore({
      beforeApply: () => {
        if (server.isDown) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'down');
      },
    });
    const cache = createCache<string>({
      name: 'drained',
      front: lmdbFront({ path }),
      store,
      lanes: 2,
      flush: { maxDelay: 5 },
      retry: { minDelay: 5, maxDelay: 50 },
    });
    const value = 'x'.repeat(9_000);
    const acknowledged: string[] = [];
    const codes: unknown[] = [];
    for (let i = 0; codes.length < 5 && i < 10_000; i++) {
      await cache.set(`k${i}`, value).then(
        () => acknowledged.push(`k${i}`),
        (error: MillraceError) => codes.push(error.code),
      );
    }
    // Where there is no room for a value there may be room for a tombstone.
    const deleted: string[] = [];
    for (const key of acknowledged.filter((_, i) => i % 2 === 0)) {
      await cache.delete(key).then(
        () => deleted.push(key),
        (error: MillraceError) => codes.push(error.code),
      );
    }
    server.isDown = false;
    // A flush may find no room for a step of its own, until an earlier one has given some back.
    for (;;) {
      const flushed = await cache.flush().then(
        () => true,
        () => false,
      );
      if (flushed) break;
    }
    const { pending } = await cache.stats();
    const wrong = acknowledged.filter((key) => store.rows.has(key) === deleted.includes(key));
    say({
      acknowledged: acknowledged.length,
      deleted: deleted.length,
      codes: [...new Set(codes)],
      wrong,
      rows: store.rows.size,
      pending: pending.entries,
    });
    await cache.close({ timeout: 1_000 });
    break;
  }
}
