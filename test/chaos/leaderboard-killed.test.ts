import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLeaderboard } from '../../src/index.ts';
import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';
import { Schema } from '../integration/postgres-fixture.ts';
import { postgresUrl, redisUrl } from '../servers/index.ts';
import { type FrontSpec, frontOf } from '../support/front-spec.ts';
import { uniquePrefix } from '../support/fronts.ts';
import { POWERS, type Scoring } from '../support/scorer.ts';

/** Acknowledgements after which a process is killed. */
const ACKNOWLEDGED = [300, 1_500, 700];

let schema: Schema;
beforeAll(async () => {
  schema = await Schema.create();
});
afterAll(() => schema[Symbol.asyncDispose]());

/** Runs a process until it has had so many acknowledgements, kills it, and gives all that it was told. */
async function acknowledgedUntilKilled(scoring: Scoring, count: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    ['--import', './scripts/run-ts.mjs', 'test/support/scorer.ts', JSON.stringify(scoring)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === count) child.kill('SIGKILL');
  }
  await exited;
  // The last may be half of one.
  return lines.filter((line) => /^\d+-\d+ \d+$/.test(line)).slice(0, -1);
}

test.each(['lmdb', 'redis'] as const)(
  'processes that are killed lose no score that was acknowledged, and add none twice, on %s',
  async (kind) => {
    const folder = kind === 'lmdb' ? mkdtempSync(join(tmpdir(), 'millrace-killed-')) : undefined;
    const front: FrontSpec =
      folder === undefined ? { kind: 'redis', at: redisUrl(), prefix: uniquePrefix() } : { kind: 'lmdb', at: folder };
    const table = `${schema.name}.killed_${kind}`;
    await schema.pool.query(`create table ${table} (member text primary key, score bigint)`);
    // Each front begins anew under the same name: to an old fence it would be one that forgot everything.
    await schema.pool.query(`drop table if exists ${schema.name}.millrace_fence, ${schema.name}.millrace_dead_letter`);
    try {
      const acknowledged: string[] = [];
      for (const [run, count] of ACKNOWLEDGED.entries())
        acknowledged.push(...(await acknowledgedUntilKilled({ front, postgres: postgresUrl(), table, run }, count)));

      const board = createLeaderboard({
        name: 'killed',
        front: frontOf(front),
        store: postgresLeaderboard({ pool: schema.pool, table, member: 'member', score: 'score' }),
        flush: { lease: '300ms' },
      });
      let lost = 0;
      board.on('loss', ({ count }) => (lost += count));
      const top = await board.top(1_000);
      await board.flush();
      await board.close();
      expect(lost).toBe(0);

      const rows = await schema.rows(
        `select member, score::float8 as score,
          (row_number() over (order by score desc, member collate "C"))::int as rank
        from ${table} order by rank limit 1000`,
      );
      expect(top).toEqual(rows);
      // Each digit to the base of 4 tells how often that power was added.
      const all = await schema.rows(`select member, score::text as score from ${table}`);
      const digits = new Map(
        all.map(({ member, score }) => [
          member as string,
          BigInt(score as string)
            .toString(4)
            .padStart(POWERS, '0'),
        ]),
      );
      expect([...digits.values()].filter((text) => /[23]/.test(text))).toEqual([]);
      const missing = acknowledged.filter((line) => {
        const [member, power] = line.split(' ') as [string, string];
        return digits.get(member)?.at(-1 - Number(power)) !== '1';
      });
      expect(missing).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(2_000);
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
