/** The rows of a table: what every cache of it needs. */
import type { AttachedStore, LaneStore, Mutation } from '../../ports/store.ts';
import type { Database, Row, Statement } from './database.ts';
import type { Dialect } from './dialect.ts';
import { translate } from './faults.ts';
import type { LetterWrites } from './letter-writes.ts';
import type { OpenedTable, ValueCheck } from './table.ts';

export interface SqlParts {
  readonly database: Database;
  readonly dialect: Dialect;
  readonly cache: string;
  readonly table: OpenedTable;
  /** Opens a flush's transaction. */
  readonly settings: readonly string[];
}

interface SqlRowsParts extends SqlParts {
  /** Undefined unless lanes are flushed: then there are no letters. */
  readonly letterWrites: LetterWrites | undefined;
  readonly lanes: LaneStore | undefined;
}

export class SqlRows implements AttachedStore {
  readonly #parts: SqlRowsParts;
  readonly #try: Attempt;
  readonly checkKey: (key: string) => string | undefined;
  readonly checkValue: ValueCheck;
  readonly lanes: LaneStore | undefined;

  private constructor(parts: SqlRowsParts) {
    this.#parts = parts;
    this.#try = attemptOf(parts);
    const { checkKey, checkValue } = parts.table;
    this.checkKey = checkKey;
    this.checkValue = checkValue;
    this.lanes = parts.lanes;
  }

  /** The rows, with what the shape of the cache loads. */
  static attach(parts: SqlRowsParts): AttachedStore {
    const rows = new SqlRows(parts);
    return Object.assign(
      rows,
      parts.table.loads?.((statement) => rows.#run(statement)),
    );
  }

  #run(statement: Statement): Promise<Row[]> {
    return this.#try('load', () => this.#parts.database.run(statement));
  }

  async load(keys: readonly string[]): Promise<Map<string, string>> {
    const { table } = this.#parts;
    // A key that the column cannot hold has no row, and the server would refuse the statement for it.
    const possible = keys.filter((key) => this.checkKey(key) === undefined);
    const statement = possible.length === 0 ? undefined : table.statements.load(possible);
    if (statement === undefined) return new Map();
    const rows = await this.#run(statement);
    return new Map(rows.map((row) => [row['key'] as string, row['value'] as string]));
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    const { database, table, settings, letterWrites } = this.#parts;
    // Sorted, so that two writers of the same keys do not lock each other out.
    const statements = table.statements.write(mutations.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
    const [only] = statements;
    if (only === undefined) return;
    await this.#try(
      'commit',
      async () => {
        if (statements.length === 1 && letterWrites === undefined) return void (await database.run(only));
        return database.transaction(settings, async (connection) => {
          // Letters before rows, as a retry locks them.
          await letterWrites?.supersede(
            connection,
            mutations.map(({ key }) => key),
          );
          for (const statement of statements) await connection.run(statement);
          return { commit: true, value: undefined };
        });
      },
      mutations.length === 1 ? mutations[0] : undefined,
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Does something in the database; what goes wrong comes out as a `MillraceError`, about the mutation if it is one. */
export type Attempt = <T>(doing: string, action: () => Promise<T>, mutation?: Mutation) => Promise<T>;

export function attemptOf({ dialect, cache, table }: SqlParts): Attempt {
  return async (doing, action, mutation) => {
    try {
      return await action();
    } catch (error) {
      const { key, lane } = mutation ?? {};
      throw translate(dialect, error, `${table.sql}: ${doing}`, { cache, key, lane });
    }
  };
}
