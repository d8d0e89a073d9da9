/** The rows of a table: what every cache of it needs, and what counters and leaderboards load. */
import type {
  AttachedStore,
  LaneStore,
  Mutation,
  ScoresStore,
  StoredScores,
  StoredTotals,
  TotalsStore,
} from '../../ports/store.ts';
import type { Database, Statement } from './database.ts';
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
  readonly totals: TotalsStore | undefined;
  readonly scores: ScoresStore | undefined;

  constructor(parts: SqlRowsParts) {
    this.#parts = parts;
    this.#try = attemptOf(parts);
    const { checkKey, checkValue, totals, scores } = parts.table;
    this.checkKey = checkKey;
    this.checkValue = checkValue;
    this.lanes = parts.lanes;
    this.totals = totals && { load: (lanes, keys) => this.#loadTotals(totals(lanes, keys)) };
    this.scores = scores && {
      load: (page) => this.#loadScores(scores(page), 'limit' in page ? page.limit : undefined),
    };
  }

  async load(keys: readonly string[]): Promise<Map<string, string>> {
    const { database, table } = this.#parts;
    // A key that the column cannot hold has no row, and the server would refuse the statement for it.
    const possible = keys.filter((key) => this.checkKey(key) === undefined);
    const statement = possible.length === 0 ? undefined : table.statements.load(possible);
    if (statement === undefined) return new Map();
    const rows = await this.#try('load', () => database.run(statement));
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

  async #loadTotals(statement: Statement): Promise<StoredTotals> {
    const totals = new Map<string, string>();
    const generations = new Map<number, number>();
    for (const { lane, key, value } of await this.#try('load', () => this.#parts.database.run(statement))) {
      if (lane === null || lane === undefined) totals.set(key as string, value as string);
      else generations.set(Number(lane), Number(value));
    }
    return { totals, generations };
  }

  async #loadScores(statement: Statement, limit: number | undefined): Promise<StoredScores> {
    const scores = new Map<string, string>();
    const rows = await this.#try('load', () => this.#parts.database.run(statement));
    for (const { key, value } of rows) if (typeof key === 'string') scores.set(key, value as string);
    const next = scores.size === limit ? (rows.at(-1)?.['key'] as string) : undefined;
    return { scores, generation: Number(rows[0]?.['generation']), next };
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
