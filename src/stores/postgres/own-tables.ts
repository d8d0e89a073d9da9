/** The tables of fences and dead letters in PostgreSQL: made, upgraded, and their permissions checked. */
import type { MillraceError } from '../../errors.ts';
import type { Connection } from '../sql/database.ts';
import { schemaError } from '../sql/faults.ts';
import type { OwnTables } from '../sql/table.ts';
import { postgresDialect } from './dialect.ts';
import { quote } from './identifiers.ts';
import deadLetterSql from './sql/dead-letter.sql';
import fenceSql from './sql/fence.sql';
import tablesSql from './sql/tables.sql';

/** What `tables.sql` tells. */
interface FoundTables {
  readonly schemaExists: boolean;
  readonly mayUse: boolean | null;
  readonly mayCreate: boolean | null;
  readonly fence: boolean;
  readonly fenceAllowed: boolean | null;
  readonly deadLetter: boolean;
  /** Whether it has the columns of this version. */
  readonly deadLetterCurrent: boolean;
  readonly mayAlterDeadLetter: boolean | null;
  readonly deadLetterAllowed: boolean | null;
}

/** The SQL that makes or upgrades the tables, and why this login can neither use nor make them. */
export interface OwnTablesState {
  readonly scripts: readonly string[];
  readonly refusal: MillraceError | undefined;
}

export async function readOwnTables(connection: Connection, schema: string): Promise<OwnTablesState> {
  const found = await find(connection, schema);
  const quoted = quote(schema);
  const upgrades = found.deadLetter && !found.deadLetterCurrent;
  const scripts = [...(found.fence ? [] : [fenceSql]), ...(found.deadLetter && !upgrades ? [] : [deadLetterSql])].map(
    (sql) => sql.replaceAll('{{schema}}', quoted).trim(),
  );
  return { scripts, refusal: refusalOf(found, quoted, scripts) };
}

async function find(connection: Connection, schema: string): Promise<FoundTables> {
  const [row] = await connection.run({ text: tablesSql, values: [schema] });
  return JSON.parse(row?.['found'] as string) as FoundTables;
}

function refusalOf(found: FoundTables, quoted: string, scripts: readonly string[]): MillraceError | undefined {
  const fence = `${quoted}.millrace_fence`;
  if (!found.schemaExists) return schemaError(fence, [`its schema does not exist: create schema ${quoted}`]);
  if (scripts.length > 0) {
    const creates = !found.fence || !found.deadLetter;
    if (found.mayUse !== true || (creates && found.mayCreate !== true)) {
      return schemaError(fence, [
        `this login may not create it; have someone run this, and grant the rights on it:\n${scripts.join('\n')}`,
      ]);
    }
    if (found.deadLetter && !found.deadLetterCurrent && found.mayAlterDeadLetter !== true) {
      return schemaError(`${quoted}.millrace_dead_letter`, [
        'it was made by an earlier version and lacks columns, which this login may not add; ' +
          `have its owner run this, and grant update on it:\n${scripts.join('\n')}`,
      ]);
    }
    return undefined;
  }
  const faults: string[] = [];
  if (found.mayUse !== true) faults.push(`grant usage on schema ${quoted}`);
  if (found.fenceAllowed !== true) faults.push(`grant select, insert, update on ${fence}`);
  if (found.deadLetterAllowed !== true)
    faults.push(`grant select, insert, update, delete on ${quoted}.millrace_dead_letter`);
  return faults.length === 0
    ? undefined
    : schemaError(
        fence,
        faults.map((fault) => `this login lacks permissions: ${fault}`),
      );
}

export const postgresTables: OwnTables = {
  async ensure(connection, schema, settings) {
    const { scripts, refusal } = await readOwnTables(connection, schema);
    if (refusal !== undefined) throw refusal;
    // `if not exists` alone fails when two create at the same moment.
    if (scripts.length > 0) await connection.script([...settings, ...postgresDialect.setupLock, scripts.join('\n')]);
  },
  async hasLetters(connection, schema) {
    const { mayUse, deadLetter, deadLetterCurrent, deadLetterAllowed } = await find(connection, schema);
    return mayUse === true && deadLetter && deadLetterCurrent && deadLetterAllowed === true;
  },
};
