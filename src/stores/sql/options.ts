/** Reads the options of a store on a table, and tells all faults together. */
import { type Duration, parseDuration } from '../../core/duration.ts';
import { MillraceError } from '../../errors.ts';
import { parseTableName, type TableName } from './names.ts';

/** What stores on a table take, whatever the database. */
export interface SqlTableOptions {
  /** `table` or `schema.table`, as in SQL: a name with capitals or blanks is written in double quotes. */
  readonly table: string;
  /** Timestamp columns that are set to now() with each write. */
  readonly touch?: string | readonly string[];
  /** Where the tables `millrace_fence` and `millrace_dead_letter` are. Default: the schema of the table. */
  readonly schema?: string;
  /** How long a flush waits for a lock that somebody else holds. 10 ms to 1 h, default '5s'. */
  readonly lockTimeout?: Duration;
  /** How long one statement of a flush may take. 10 ms to 1 h, default '30s'. */
  readonly statementTimeout?: Duration;
  /** How long a flush may sit in its transaction without a statement. 10 ms to 1 h, default '30s'. */
  readonly idleTimeout?: Duration;
}

/** {@link SqlTableOptions}, parsed. */
export interface SqlTable {
  readonly table: TableName;
  readonly touch: readonly string[];
  readonly schema: string | undefined;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

const COMMON = ['table', 'touch', 'schema', 'lockTimeout', 'statementTimeout', 'idleTimeout'] as const;
const TIMEOUT_MS_MIN = 10;
const TIMEOUT_MS_MAX = 3_600_000;

/** `own` are the options beside {@link SqlTableOptions}. */
export class TableOptionReader {
  readonly #where: string;
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #faults: string[];

  constructor(where: string, options: unknown, own: readonly string[]) {
    this.#where = where;
    this.#given = (typeof options === 'object' && options !== null ? options : {}) as Readonly<Record<string, unknown>>;
    const known = new Set<string>([...COMMON, ...own]);
    this.#faults = Object.keys(this.#given)
      .filter((name) => !known.has(name))
      .map((name) => `unknown option ${name}`);
  }

  name(option: string, required: boolean): string | undefined {
    const value = this.#given[option];
    if (value === undefined && !required) return undefined;
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
    this.#faults.push(`${option}: the name of a column is needed`);
    return undefined;
  }

  names(option: string): string[] {
    const value = this.#given[option];
    const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
    if (list.every((item) => typeof item === 'string' && item !== '' && !item.includes('\0'))) return list as string[];
    this.#faults.push(`${option}: names of columns are needed`);
    return [];
  }

  /** One of the common options that this store does not take. */
  unknown(option: string): void {
    if (this.#given[option] !== undefined) this.#faults.push(`unknown option ${option}`);
  }

  oneOf(value: string | undefined, columns: readonly string[]): void {
    if ((value === undefined) === (this.#given['columns'] === undefined))
      this.#faults.push('either value (one JSON column) or columns (of an object) is needed');
    else if (value === undefined && columns.length === 0) this.#faults.push('columns: at least one is needed');
  }

  distinct(columns: readonly (string | undefined)[]): void {
    const used = columns.filter((column) => column !== undefined);
    for (const column of new Set(used.filter((column, at) => used.indexOf(column) !== at)))
      this.#faults.push(`the column ${column} is used twice`);
  }

  /** An option that this class knows nothing of. */
  protected given(option: string): unknown {
    return this.#given[option];
  }

  protected fault(fault: string): void {
    this.#faults.push(fault);
  }

  table(): SqlTable {
    const given = this.#given;
    const table = typeof given['table'] === 'string' ? parseTableName(given['table']) : undefined;
    if (table === undefined)
      this.#faults.push('table: `table` or `schema.table` is needed, with other than plain names in double quotes');
    const schema = given['schema'];
    if (schema !== undefined && (typeof schema !== 'string' || schema === '' || schema.includes('\0')))
      this.#faults.push('schema: a name is needed');
    return {
      table: table as TableName,
      touch: this.names('touch'),
      schema: schema as string | undefined,
      lockTimeoutMs: this.#timeoutMs('lockTimeout', 5_000),
      statementTimeoutMs: this.#timeoutMs('statementTimeout', 30_000),
      idleTimeoutMs: this.#timeoutMs('idleTimeout', 30_000),
    };
  }

  #timeoutMs(option: string, defaultMs: number): number {
    const ms = this.#given[option] === undefined ? defaultMs : parseDuration(this.#given[option]);
    if (ms !== undefined && ms >= TIMEOUT_MS_MIN && ms <= TIMEOUT_MS_MAX) return Math.ceil(ms);
    this.#faults.push(`${option}: a duration from ${TIMEOUT_MS_MIN} ms to 1 h is needed`);
    return defaultMs;
  }

  finish(): void {
    if (this.#faults.length > 0)
      throw new MillraceError('MILLRACE_OPTIONS', `${this.#where}: ${this.#faults.join('; ')}`);
  }
}
