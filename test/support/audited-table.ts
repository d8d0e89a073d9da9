import { PGlite } from '@electric-sql/pglite';
import { Pool } from 'pg';
import type { AttachedStore, LaneStore, Store, StoreAttachment } from '../../src/ports/store.ts';
import { type PostgresStoreOptions, postgresStore } from '../../src/stores/postgres/index.ts';
import { postgresUrl } from '../servers/index.ts';

type Row = Record<string, unknown>;

/** A row that breaks it: `{ bad: true }`. */
export const CONSTRAINT = 'no_bad_rows';

const tables = (schema: string): string => `
  create schema ${schema};
  create table ${schema}.docs (
    id text primary key,
    doc jsonb not null,
    constraint ${CONSTRAINT} check (doc ->> 'bad' is null)
  );
  create table ${schema}.versions (
    at bigserial primary key,
    id text not null,
    doc jsonb,
    transaction text not null default pg_current_xact_id()::text
  );
  create table ${schema}.statements (at bigserial primary key, operation text not null);
  create function ${schema}.note_row() returns trigger language plpgsql as $$ begin
    insert into ${schema}.versions (id, doc) values (coalesce(new.id, old.id), new.doc); return null;
  end $$;
  create function ${schema}.note_statement() returns trigger language plpgsql as $$ begin
    insert into ${schema}.statements (operation) values (tg_op); return null;
  end $$;
  create trigger note_row after insert or update or delete on ${schema}.docs
    for each row execute function ${schema}.note_row();
  create trigger note_statement after insert or delete on ${schema}.docs
    for each statement execute function ${schema}.note_statement();`;

let schemas = 0;

/**
 * A table in a schema of its own whose triggers record what the server did to it: every version of every row, and every
 * statement. What a transaction rolled back is in neither.
 */
export class AuditedTable implements AsyncDisposable {
  readonly schema = `audited_${process.pid}_${schemas++}`;
  readonly #database: Pool | PGlite;

  private constructor(database: Pool | PGlite) {
    this.#database = database;
  }

  static async onPostgres(url = postgresUrl()): Promise<AuditedTable> {
    const pool = new Pool({ connectionString: url });
    // The loss of an idle connection is part of some tests.
    pool.on('error', () => undefined);
    const table = new AuditedTable(pool);
    await pool.query(tables(table.schema));
    return table;
  }

  static async onPGlite(): Promise<AuditedTable> {
    const pglite = await PGlite.create();
    const table = new AuditedTable(pglite);
    await pglite.exec(tables(table.schema));
    return table;
  }

  store(options: Partial<PostgresStoreOptions> = {}): Store {
    return postgresStore({
      pool: this.#database,
      table: `${this.schema}.docs`,
      key: 'id',
      value: 'doc',
      ...options,
    } as PostgresStoreOptions);
  }

  async query(sql: string, values: unknown[] = []): Promise<Row[]> {
    const text = sql.replaceAll('{{schema}}', this.schema);
    const { rows } = await (this.#database instanceof PGlite
      ? this.#database.query<Row>(text, values)
      : this.#database.query<Row>(text, values));
    return rows;
  }

  /** What the store holds, by key. */
  async stored(): Promise<Record<string, unknown>> {
    return Object.fromEntries(
      (await this.query('select id, doc from {{schema}}.docs order by id')).map(({ id, doc }) => [id, doc]),
    );
  }

  async count(): Promise<number> {
    return Number((await this.query('select count(*) as n from {{schema}}.docs'))[0]?.['n']);
  }

  /** Every value that the key had, oldest first; null where it was deleted. */
  async versions(key: string): Promise<unknown[]> {
    return (await this.query('select doc from {{schema}}.versions where id = $1 order by at', [key])).map(
      ({ doc }) => doc,
    );
  }

  /** The statements that changed the table, oldest first: INSERT (an upsert is one) and DELETE. */
  async statements(): Promise<unknown[]> {
    return (await this.query('select operation from {{schema}}.statements order by at')).map(
      ({ operation }) => operation,
    );
  }

  /** Empties the table and forgets what was recorded. */
  async reset(): Promise<void> {
    await this.query('truncate {{schema}}.docs, {{schema}}.versions, {{schema}}.statements');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database instanceof PGlite) {
      await this.#database.close();
      return;
    }
    // A server of the test's own may be gone already.
    await this.query('drop schema {{schema}} cascade').catch(() => undefined);
    await this.#database.end();
  }
}

/** Calls of a store's methods, to be looked at or delayed; what a hook throws, the method rejects with. */
export interface StoreHooks {
  beforeLoad?(keys: readonly string[]): Promise<void> | void;
  beforeApply?(): Promise<void> | void;
}

/** The same store, looked at by a test. */
export function watched(store: Store, hooks: StoreHooks): Store {
  return {
    ...store,
    // What a hook throws is a fault of this store alone, not of the pool.
    origin: hooks,
    async attach(attachment: StoreAttachment): Promise<AttachedStore> {
      const attached = await store.attach(attachment);
      const load = attached.load.bind(attached);
      const { lanes } = attached;
      return Object.assign(attached, {
        async load(keys: readonly string[]) {
          await hooks.beforeLoad?.(keys);
          return load(keys);
        },
        lanes: lanes && {
          ...lanes,
          async apply(flush: Parameters<LaneStore['apply']>[0]) {
            await hooks.beforeApply?.();
            return lanes.apply(flush);
          },
        },
      });
    },
  };
}
