import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import { shareEnvironment } from '../../src/fronts/lmdb/environment.ts';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import type { Attachment, LaneFront } from '../../src/ports/front.ts';
import { batchOf, fence, fenceOf } from '../../src/testing/front-subject.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

let path: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-lmdb-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(path, { recursive: true, force: true });
});

const attachment = (over: Partial<Attachment> = {}): Attachment => ({
  cache: 'c',
  lanes: 1,
  acks: ['fsynced'],
  clock: systemClock,
  random: systemRandom,
  writeBehind: true,
  onReconnect: () => undefined,
  onWarning: (message) => expect.fail(message),
  ...over,
});

const attach = (over: Partial<Attachment> = {}, folder = path): Promise<LaneFront> =>
  lmdbFront({ path: folder }).attach(attachment(over));
const recover = (lanes: LaneFront, over: Parameters<typeof fence>[0] = {}) =>
  lanes.recover(0, { fence: fence(over), owner: '', leaseMs: 0 });
const rowsOf = (count: number) => Array.from({ length: count }, (_, i) => [`k${i}`, String(i)] as const);

function start(what: string, limitKiB?: number): { child: ChildProcess; lines: AsyncIterator<string> } {
  const run = ['--import', 'tsx', fileURLToPath(new URL('lmdb-child.ts', import.meta.url)), path, what];
  const child =
    limitKiB === undefined
      ? spawn(process.execPath, run, { stdio: ['ignore', 'pipe', 'pipe'] })
      : // A file that may not grow is a full disk; the signal that comes with it is ignored.
        spawn('bash', ['-c', `trap '' XFSZ; ulimit -f ${limitKiB}; exec "$@"`, 'bash', process.execPath, ...run], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
  children.push(child);
  // The driver says there what it could not write.
  child.stderr?.resume();
  return { child, lines: createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]() };
}

const say = async (lines: AsyncIterator<string>): Promise<unknown> => JSON.parse((await lines.next()).value as string);

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await check()); ) {
    if (Date.now() > deadline) throw new Error('not within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('opening', () => {
  test('refuses a path that is no folder, a file that is not its own, and no path', async () => {
    writeFileSync(join(path, 'file'), 'x');
    await expect(attach({}, join(path, 'file'))).rejects.toMatchObject({
      code: 'MILLRACE_FRONT_UNAVAILABLE',
      message: expect.stringContaining('a folder of its own') as string,
    });
    writeFileSync(join(path, 'data.mdb'), 'not LMDB '.repeat(2_000));
    await expect(attach()).rejects.toMatchObject({
      code: 'MILLRACE_FRONT_UNAVAILABLE',
      message: expect.stringContaining('is not an LMDB file') as string,
    });
    expect(() => lmdbFront({ path: '' })).toThrow(expect.objectContaining({ code: 'MILLRACE_OPTIONS' }) as Error);
  });

  test('makes folders, and opens again after a failure', async () => {
    const folder = join(path, 'a', 'b');
    await expect(attach({ acks: ['replicated'] }, folder)).rejects.toMatchObject({ code: 'MILLRACE_ACK' });
    const lanes = await attach({}, folder);
    await recover(lanes);
    await expect(attach({ lanes: 2 }, folder)).rejects.toMatchObject({ code: 'MILLRACE_LANES' });
    await lanes.close();
    await (await attach({}, folder)).close();
  });

  test('shares an environment in a process, and closes it with its last user', async () => {
    const [a, b] = await Promise.all([attach(), attach({ cache: 'other' })]);
    await recover(a);
    await a.close();
    await expect(a.read(0, 'k')).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' });
    await recover(b);
    const [, c] = await Promise.all([b.close(), attach()]);
    expect((await c.header(0)).current).toBe(false);
    await c.close();
  });
});

describe('a run', () => {
  test('ends with the last process: what is kept is compared with the store first', async () => {
    const before = await attach();
    await recover(before);
    await before.write(0, batchOf([['k', '1']]));
    await before.close();
    const after = await attach();
    expect(await after.header(0)).toMatchObject({ header: { seq: 1, pendingEntries: 1 }, current: false });
    expect(await after.write(0, batchOf([['k', '2']]))).toMatchObject({ kind: 'unrecovered', header: { seq: 1 } });
    expect(await recover(after, { epoch: 2 })).toMatchObject({ kind: 'current' });
    expect(await after.read(0, 'k')).toBe('1');
    await after.close();
  });

  test('goes on while another process has the folder open, and not after it was killed', async () => {
    const lanes = await attach();
    await recover(lanes);
    const { child, lines } = start('hold');
    expect(await say(lines)).toBe('ready');
    await lanes.close();
    const again = await attach();
    expect((await again.header(0)).current).toBe(true);
    await again.close();
    await kill(child);
    const alone = await attach();
    expect((await alone.header(0)).current).toBe(false);
    await alone.close();
  });

  test('does not go on in a copy, although the original is open', async () => {
    const lanes = await attach();
    await recover(lanes);
    const copy = join(path, 'copy');
    cpSync(join(path, 'data.mdb'), join(copy, 'data.mdb'));
    const copied = await attach({}, copy);
    expect((await copied.header(0)).current).toBe(false);
    expect((await lanes.header(0)).current).toBe(true);
    await copied.close();
    await lanes.close();
  });
});

describe('processes', () => {
  test('write to one lane together', async () => {
    const lanes = await attach();
    await recover(lanes);
    const { child, lines } = start('batch');
    const [seqs, ...mine] = await Promise.all([
      say(lines) as Promise<number[]>,
      ...Array.from({ length: 200 }, (_, i) => lanes.write(0, batchOf([[`mine ${i}`, '1']]))),
    ]);
    const all = [...seqs, ...mine.map((result) => (result.kind === 'accepted' ? result.seq : Number.NaN))];
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
    expect((await lanes.header(0)).header).toMatchObject({ seq: 400, pendingEntries: 400 });
    expect(await lanes.read(0, 'k199')).toBe(`"199 of ${child.pid}"`);
    await lanes.close();
  });

  test('undo nothing of what others commit while they open the folder', async () => {
    // In memory, where commits are fast enough that many of them meet an opening.
    if (existsSync('/dev/shm')) path = mkdtempSync('/dev/shm/millrace-lmdb-');
    const lanes = await attach();
    await recover(lanes);
    const { lines } = start('open');
    const words: unknown[] = [];
    const opened = say(lines).then((word) => words.push(word));
    const wrong: unknown[] = [];
    for (let seq = 1; words.length === 0; seq++) {
      const result = await lanes.write(0, batchOf([['k', String(seq)]]));
      if (result.kind !== 'accepted' || result.seq !== seq) wrong.push({ seq, result });
    }
    await opened;
    expect(words).toEqual(['done']);
    expect(wrong).toEqual([]);
    await lanes.close();
  }, 60_000);

  test('lose nothing that was acknowledged when they are killed', async () => {
    for (let round = 0; round < 3; round++) {
      const { child, lines } = start('write');
      const acknowledged = new Map<number, number>();
      while (acknowledged.size < 300) {
        const [i, seq] = (await say(lines)) as [number, number];
        acknowledged.set(i, seq);
      }
      await kill(child);
      for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
        if (!line.value.endsWith(']')) continue;
        const [i, seq] = JSON.parse(line.value) as [number, number];
        acknowledged.set(i, seq);
      }
      const lanes = await attach();
      const { header } = await lanes.header(0);
      expect(header?.seq).toBeGreaterThanOrEqual(Math.max(...acknowledged.values()));
      expect(await recover(lanes, { epoch: 1 })).toMatchObject({ kind: 'current' });
      for (const i of acknowledged.keys())
        expect(await lanes.inspect(0, `k${i}`)).toMatchObject({ raw: `"${i} of ${child.pid}"`, pending: true });
      await lanes.close();
    }
  });

  test('are told when the disk is full, and nothing of what is refused is there', async () => {
    const { child, lines } = start('fill', 4_000);
    const told = (await say(lines)) as Record<string, unknown> & { written: number };
    expect(told).toEqual({
      written: told.written,
      codes: Array.from({ length: 3 }, () => 'MILLRACE_FRONT_UNAVAILABLE'),
      seq: told.written,
      pendingEntries: told.written,
      next: null,
      nextPending: false,
      last: true,
    });
    expect(told.written).toBeGreaterThan(20);
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    const lanes = await attach();
    expect((await lanes.header(0)).header?.seq).toBe(told.written);
    await lanes.close();
  });

  test('drain into the store while the disk is full', async () => {
    const { child, lines } = start('drain', 2_000);
    const exited = once(child, 'exit');
    const told = (await say(lines)) as { acknowledged: number; deleted: number };
    const { acknowledged, deleted } = told;
    expect([acknowledged > 20, deleted > 5]).toEqual([true, true]);
    expect(told).toEqual({
      acknowledged,
      deleted,
      codes: ['MILLRACE_FRONT_UNAVAILABLE'],
      wrong: [],
      rows: acknowledged - deleted,
      pending: 0,
    });
    await exited;
  }, 60_000);
});

describe('in the background', () => {
  test('expired slots are removed, and only those', async () => {
    const clock = new VirtualClock();
    const lanes = await attach({ clock });
    const { environment, release } = await shareEnvironment(path, attachment({ clock }));
    const count = () => environment.tables.slots.getKeysCount({ start: '0', end: '~' });
    await recover(lanes);
    const rows = rowsOf(1_200);
    await lanes.write(0, batchOf([...rows, ['keep', '1']]));
    await lanes.cut(0, 1, 'd');
    await lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: [], ttlMs: 5_000, limit: 10_000 });
    await lanes.write(
      0,
      batchOf([
        ['k0', '"dirty"'],
        ['keep', '2'],
      ]),
    );
    await lanes.beginFill(0, ['long'], 't', 3_600_000);
    await clock.advance(4_000);
    expect(count()).toBe(1_202);
    expect(await lanes.read(0, 'k1')).toBe('1');
    await clock.advance(2_000);
    expect(await lanes.read(0, 'k1')).toBeUndefined();
    await eventually(async () => {
      await clock.advance(10);
      environment.freshen();
      return count() === 3;
    });
    expect(await lanes.readMany([0, 0, 0], ['k0', 'keep', 'long'])).toEqual(['"dirty"', '2', '?t']);
    expect([...environment.tables.due.getKeys({ start: '0', end: '~' })]).toHaveLength(1);
    await release();
    await lanes.close();
  });

  test('what was let go of is removed in parts, also by the next process', async () => {
    const lanes = await attach();
    await recover(lanes);
    await lanes.write(0, batchOf(rowsOf(3_000), { ttls: new Map([[0, 9]]) }));
    const cut = await lanes.cut(0, 1, 'd');
    await lanes.write(0, batchOf(rowsOf(3_000)));
    await recover(lanes, { epoch: 2, generation: 5, seq: 100_000 });
    // Closed before all of it can be removed.
    await lanes.close();
    const next = await attach();
    const { environment, release } = await shareEnvironment(path, attachment());
    const { slots, marks, lanes: rows } = environment.tables;
    await eventually(() => {
      environment.freshen();
      return (
        [slots, marks].every((table) => table.getKeysCount({ start: '0', end: '~' }) === 0) &&
        rows.getKeysCount({ start: ['garbage', ''], end: ['garbage', '~'] }) === 0
      );
    });
    expect(cut.kind).toBe('cut');
    expect((await next.header(0)).header).toMatchObject({ seq: 100_000, pendingEntries: 0 });
    await release();
    await next.close();
  });

  test('a large generation is dropped at once', async () => {
    const lanes = await attach();
    await recover(lanes);
    await lanes.write(0, batchOf(rowsOf(5_000)));
    const cut = await lanes.cut(0, 1, 'd');
    if (cut.kind !== 'cut') throw new Error('not cut');
    await lanes.write(0, batchOf(rowsOf(100)));
    expect(
      await lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: [], ttlMs: undefined, limit: 1 }),
    ).toMatchObject({ kind: 'done' });
    expect(await lanes.recover(0, { fence: fenceOf(cut.flight, 2), owner: '', leaseMs: 0 })).toMatchObject({
      kind: 'current',
      header: { pendingEntries: 100 },
    });
    expect(await lanes.inspect(0, 'k4999')).toMatchObject({ raw: '4999', pending: false, inFlight: false });
    await lanes.close();
  });
});
