/** A database of PostgreSQL: a server, or PGlite in the process. */
import type { Database } from '../sql/database.ts';

export interface PostgresDatabase extends Database {
  readonly kind: 'postgres' | 'pglite';
}
