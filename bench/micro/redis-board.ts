/**
 * CPU that single script calls on a leaderboard take of the server, weighed one by one: pages that are put in, changes
 * of as many members as one step may have, rows that are read. Millrace's bounds are named in src/engine/settings.ts.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/redis-board.ts [redis://host:port] [members]
 */
import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { ScoreOp } from '../../src/core/lane-scores.ts';
import { LOAD_SCORES_MAX, READ_KEYS_MAX, SCORES_MAX } from '../../src/engine/base/settings.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { ScriptScale } from '../suite/script-cost.ts';

const url = process.argv[2] ?? 'redis://127.0.0.1:6379';
const members = Number(process.argv[3] ?? 1_000_000);
const CALLS = 100;

const client = createClient({ url, commandOptions: { timeout: undefined } as object });
await client.connect();
const scale = new ScriptScale(client);
const cache = `bench-${randomUUID().slice(0, 8)}`;
const front = await redisFront({ client: scale.client }).attach({
  cache,
  lanes: 1,
  shape: 'scores',
  acks: ['buffered'],
  clock: systemClock,
  random: systemRandom,
  writeBehind: true,
  onReconnect: () => undefined,
  onWarning: console.warn,
});
await front.recover(0, {
  fence: { epoch: 1, generation: 0, seq: 0, digest: '', epochs: [{ epoch: 1, seq: 0 }] },
  owner: 'bench',
  leaseMs: 3_600_000,
});
await front.confirm(0, 1);

/** Prints what the calls of `work` cost; it calls one script. */
async function weighed(what: string, work: () => Promise<void>): Promise<void> {
  scale.us.clear();
  await work();
  const us = [...scale.us.values()].flat().sort((a, b) => a - b);
  const at = (part: number): string => `${us[Math.min(us.length - 1, Math.floor(us.length * part))]}`.padStart(6);
  console.log(
    `${what.padEnd(40)} ${`${us.length}`.padStart(5)} calls  ` +
      `median ${at(0.5)} µs  99 % ${at(0.99)} µs  longest ${at(1)} µs`,
  );
}

const member = (i: number): string => `member:${i}`;
const anyOf = (): string => member(Math.floor(Math.random() * members));
const change = (op: ScoreOp, names: readonly string[]): Promise<unknown> =>
  front.writeScores(0, {
    ops: names.map(() => op),
    members: names,
    weights: names.map(() => Math.floor(Math.random() * 1e6)),
    shape: 'scores',
    bytes: 20 * names.length,
    maxEntries: 1e7,
    maxBytes: 2 ** 34,
  });

await weighed('part of a page', async () => {
  for (let from = 0; from < members; from += LOAD_SCORES_MAX) {
    const rows = Array.from(
      { length: Math.min(LOAD_SCORES_MAX, members - from) },
      (_, i) => [member(from + i), ((from + i) * 7_919) % 1_000_003] as const,
    );
    const isLast = from + LOAD_SCORES_MAX >= members;
    await front.fillScores(0, {
      generation: 0,
      epoch: 1,
      shape: 'scores',
      page: { from: from === 0 ? '' : member(from - 1), next: isLast ? undefined : rows.at(-1)?.[0], rows },
    });
  }
});
for (const op of ['set', 'add'] as const) {
  await weighed(`${op} of ${SCORES_MAX} members`, async () => {
    for (let call = 0; call < CALLS; call++) await change(op, [...new Set(Array.from({ length: SCORES_MAX }, anyOf))]);
  });
}
for (const count of [100, 1_000, 10_000]) {
  await weighed(`top ${count.toLocaleString('en')}`, async () => {
    for (let call = 0; call < CALLS; call++) await front.readScores(0, 'scores', { kind: 'range', from: 0, count });
  });
}
await weighed('rank', async () => {
  for (let call = 0; call < CALLS; call++)
    await front.readScores(0, 'scores', { kind: 'around', member: anyOf(), count: 0 });
});
const cut = await front.cut(0, 1, 'bench');
if (cut.kind !== 'cut') throw new Error(`nothing was cut: ${cut.kind}`);
await weighed(`page of ${READ_KEYS_MAX} changes`, async () => {
  let cursor = '';
  do {
    const page = await front.readFlightScores(0, 1, cut.flight.generation, cursor, READ_KEYS_MAX);
    cursor = page.kind === 'changes' ? page.next : '';
  } while (cursor !== '');
});

await front.close();
for await (const names of client.scanIterator({ MATCH: `*${cache}*`, COUNT: 1_000 }))
  if (names.length > 0) await client.unlink(names);
client.destroy();
