/** What the rows of scores say, whatever the database. */
import type { StoredScores } from '../../ports/scores-store.ts';
import type { Row } from './database.ts';

/**
 * Rows with `key` and `value`, and with the `generation` of the lane's fence, in one snapshot; at least one row. Of a
 * page with as many members as `limit` there may be more.
 */
export function scoresIn(rows: readonly Row[], limit: number | undefined): StoredScores {
  const scores = new Map<string, string>();
  for (const { key, value } of rows) if (typeof key === 'string') scores.set(key, value as string);
  const next = scores.size === limit ? (rows.at(-1)?.['key'] as string) : undefined;
  return { scores, generation: Number(rows[0]?.['generation']), next };
}
