/**
 * A process with a leaderboard that adds 1, 4, 16 and so on to one member after the other until it is killed, and says
 * what was acknowledged. Its argument is a {@link Scoring} as JSON.
 */
import pg from 'pg';
import { createLeaderboard } from '../../src/leaderboard.ts';
import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';
import { type FrontSpec, frontOf } from './front-spec.ts';

export interface Scoring {
  readonly front: FrontSpec;
  readonly postgres: string;
  readonly table: string;
  readonly run: number;
}

/** Powers of 4 below 2^53. */
export const POWERS = 26;

if (process.argv[2] !== undefined) {
  const { front, postgres, table, run } = JSON.parse(process.argv[2]) as Scoring;
  const pool = new pg.Pool({ connectionString: postgres, max: 4 });
  pool.on('error', () => undefined);
  const board = createLeaderboard({
    name: 'killed',
    front: frontOf(front),
    store: postgresLeaderboard({ pool, table, member: 'member', score: 'score' }),
    flush: { maxDelay: 10, lease: '300ms' },
  });
  await board.ready();
  for (let n = 0; ; n++) {
    const member = `${run}-${n}`;
    await Promise.all(
      Array.from({ length: POWERS }, async (_, power) => {
        await board.add(member, 4 ** power);
        process.stdout.write(`${member} ${power}\n`);
      }),
    );
  }
}
