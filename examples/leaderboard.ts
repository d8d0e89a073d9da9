/**
 * The leaderboard of a game: 5,000 points a second for a minute, by 20,000 players. Checks itself with SQL and ends
 * with exit code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/leaderboard.ts
 *   node --import ./scripts/run-ts.mjs examples/leaderboard.ts --seconds 10 --rate 2000
 *   node --import ./scripts/run-ts.mjs examples/leaderboard.ts \
 *     --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLeaderboard, type Leaderboard } from 'millrace';
import { postgresLeaderboard } from 'millrace/postgres';
import { type Parts, runExample, serverFlags } from './parts.ts';

const PLAYERS = 20_000;
/** The names have other letters too: ties are in the order of their bytes. */
const NAMES = ['ann', 'Bob', 'émile', 'zoë', '李', '🦊'];
const SEND_EVERY_MS = 10;
const LOOK_EVERY_MS = 500;

const { values: flags } = parseArgs({
  options: { ...serverFlags, seconds: { type: 'string', default: '60' }, rate: { type: 'string', default: '5000' } },
});
const updates = Math.round(Number(flags.seconds) * Number(flags.rate));

/** What the game knows by itself. */
type Ledger = Map<string, number>;

const playerOf = (n: number): string => `${NAMES[n % NAMES.length]}-${n}`;
/** Some play far more than others. */
const anyPlayer = (): string => playerOf(Math.floor(PLAYERS * Math.random() ** 3));

/** Adds points as they become due. What takes long makes the next turn larger, not later ones late. */
async function playGame(board: Leaderboard, ledger: Ledger, start: number): Promise<void> {
  for (let sent = 0; sent < updates; ) {
    const due = Math.min(updates, Math.floor(((performance.now() - start) * Number(flags.rate)) / 1_000));
    await Promise.all(
      Array.from({ length: due - sent }, async () => {
        const player = anyPlayer();
        // Few values, so that many players are level.
        const points = 10 * Math.ceil(Math.random() * 5);
        const known = (ledger.get(player) ?? 0) + points;
        ledger.set(player, known);
        const { score } = await board.add(player, points);
        assert.equal(score, known, `${player} is told the score of this very point`);
      }),
    );
    sent = due;
    await sleep(SEND_EVERY_MS);
  }
}

/** Looks at the board while points come in: always in order, and whoever is around a player has the ranks about his. */
async function watch(board: Leaderboard, signal: AbortSignal): Promise<number> {
  let looks = 0;
  while (!signal.aborted) {
    const top = await board.top(100);
    assert.deepEqual(
      top.map(({ rank }) => rank),
      top.map((_, at) => at + 1),
    );
    for (const [at, row] of top.entries()) assert.ok(at === 0 || isBefore(top[at - 1] as typeof row, row));
    const around = await board.around(anyPlayer(), 5);
    for (const [at, row] of around.entries())
      assert.ok(
        at === 0 || (isBefore(around[at - 1] as typeof row, row) && row.rank === (around[at - 1]?.rank ?? 0) + 1),
      );
    looks++;
    await sleep(LOOK_EVERY_MS);
  }
  return looks;
}

const isBefore = (a: { score: number; member: string }, b: { score: number; member: string }): boolean =>
  a.score > b.score || (a.score === b.score && Buffer.compare(Buffer.from(a.member), Buffer.from(b.member)) < 0);

async function play({ name, front, pool, sql, kinds, atEnd }: Parts): Promise<void> {
  await sql(`create table ${name} (
    player     text primary key,
    points     bigint not null,
    updated_at timestamptz not null
  )`);
  const open = (): Leaderboard => {
    const board = createLeaderboard({
      name,
      front,
      store: postgresLeaderboard({ pool, table: name, member: 'player', score: 'points', touch: 'updated_at' }),
      flush: { maxDelay: '1s' },
    });
    atEnd(() => board.close());
    board.on('loss', ({ count }) => assert.fail(`${count} acknowledged scores are lost`));
    return board;
  };

  // Last season's points are in the table already: the board is loaded from it.
  const ledger: Ledger = new Map(Array.from({ length: PLAYERS / 2 }, (_, n) => [playerOf(2 * n), 10 * (n % 50)]));
  await sql(`insert into ${name} select key, value::bigint, now() from json_each_text($1)`, [
    JSON.stringify(Object.fromEntries(ledger)),
  ]);
  const board = open();
  await board.ready();

  const over = new AbortController();
  const watching = watch(board, over.signal);
  const start = performance.now();
  await playGame(board, ledger, start);
  const tookMs = performance.now() - start;
  over.abort();
  const looks = await watching;
  const { stored, coalesced, statements } = await board.stats();
  console.log(
    `${updates} scores of ${ledger.size} players in ${(tookMs / 1_000).toFixed(1)} s on ${kinds}, ` +
      `${Math.round((updates / tookMs) * 1_000)} a second, looked at ${looks} times;`,
  );
  console.log(`rows written so far ${stored} in ${statements} statements, scores replaced by a later one ${coalesced}`);
  const report = await board.close();
  assert.equal(report.remaining, 0);

  // Every point is in the table, once.
  const rows = await sql(`select player, points::text as points from ${name}`);
  assert.deepEqual(new Map(rows.map((row) => [row['player'], Number(row['points'])])), ledger);

  // The ranks that SQL counts are those of the front, for the best and for anybody.
  const ranked = `select player as member, points::int as score,
      (row_number() over (order by points desc, player collate "C"))::int as rank from ${name}`;
  const again = open();
  assert.deepEqual(await again.top(100), await sql(`${ranked} order by rank limit 100`));
  const players = Array.from({ length: 200 }, (_, at) => playerOf((at * 7_919) % PLAYERS)).filter((player) =>
    ledger.has(player),
  );
  const ranks = new Map(
    (
      await sql(
        `select member, rank from (${ranked}) ranked where member = any (select json_array_elements_text($1))`,
        [JSON.stringify(players)],
      )
    ).map((row) => [row['member'], row['rank']]),
  );
  for (const player of players) assert.equal(await again.rank(player), ranks.get(player), `the rank of ${player}`);
  const [ties] = await sql(`select (count(*) - count(distinct points))::int as n from ${name}`);
  console.log(
    `verified: ${rows.length} rows with every point; ` +
      `the best 100 and ${players.length} ranks as SQL has them, with ${ties?.['n']} ties`,
  );
  await again.close();
}

await runExample('leaderboard', flags, play);
