/** What the doctor says of the user's table and of Millrace's own in PostgreSQL. */
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import type { Connection } from '../sql/database.ts';
import type { Examined } from './examine-server.ts';
import { literal, quote } from './identifiers.ts';
import { readOwnTables } from './own-tables.ts';

/** What acts on the rows besides the statements of Millrace. */
export function surroundings({ triggers, rules, deferred }: Examined, table: string): Finding[] {
  const findings: Finding[] = [];
  const before = triggers.filter(({ timing, row }) => row && timing === 'before').map(({ name }) => quote(name));
  const others = triggers.filter(({ timing, row }) => !(row && timing === 'before')).map(({ name }) => quote(name));
  if (before.length > 0) {
    findings.push(
      warning(
        'postgres.triggers',
        `before each row: ${before.join(', ')}`,
        'a trigger that changes or drops a row makes the store differ from what was acknowledged and is cached',
        `see that they let rows pass as they are, or move them to AFTER: \\d ${table}`,
      ),
    );
  }
  if (others.length > 0)
    findings.push(
      fine('postgres.triggers', `${others.join(', ')}: run once for a row or statement of a flush, not for each write`),
    );
  if (rules > 0)
    findings.push(
      warning(
        'postgres.rules',
        `${rules} on the table`,
        'a rule can redirect or drop what is written',
        `DROP RULE … ON ${table}`,
      ),
    );
  if (deferred.length > 0)
    findings.push(
      fine('postgres.constraints', `deferrable: ${deferred.map(quote).join(', ')}; flushes check them at once`),
    );
  return findings;
}

export async function ownTables(
  connection: Connection,
  schema: string,
  { fenceUnlogged }: Examined,
  { cache, lanes }: Examination,
): Promise<Finding[]> {
  const own = await readOwnTables(connection, schema);
  const name = `${quote(schema)}.millrace_fence`;
  if (own.refusal !== undefined)
    return [
      wrong(
        'postgres.own-tables',
        `those in ${quote(schema)} cannot be used or made`,
        'the cache refuses to start',
        own.refusal.message,
      ),
    ];
  if (own.scripts.length > 0)
    return [fine('postgres.own-tables', `they are made or upgraded in ${quote(schema)} when the cache starts`)];
  const findings = [
    fine('postgres.own-tables', `${name} and millrace_dead_letter${fenceUnlogged === true ? ', unlogged' : ''}`),
  ];
  const rows = await connection.script([
    `select distinct lanes::text as lanes from ${name} where cache = ${literal(cache)}`,
  ]);
  const other = rows.map((row) => row['lanes']).find((pinned) => pinned !== `${lanes}`);
  if (other === undefined)
    findings.push(fine('postgres.lanes', rows.length === 0 ? 'not used yet' : `${lanes}, as configured`));
  else
    findings.push(
      wrong(
        'postgres.lanes',
        `${other} in ${name}, ${lanes} configured`,
        'the cache refuses to start',
        `set \`lanes: ${other}\`, or drain the cache and use a new name`,
      ),
    );
  return findings;
}
