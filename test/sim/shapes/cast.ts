import type { Prng } from '../prng.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import type { ShapeDatabase, Table } from './database.ts';
import type { ShapeClient } from './shape-client.ts';
import type { ShapeOracle } from './shape-oracle.ts';
import type { ShapeSurroundings } from './surroundings.ts';

/** What the caches of a schedule hold, and so who uses them and who checks it. */
export interface Cast<O extends ShapeOracle> {
  /** How many lanes it has; by chance where that is not said. */
  readonly lanes?: number;
  readonly table: Table;
  /** Steps that a fault can lie in wait for. */
  readonly ambushes: readonly string[];
  oracle(lanes: number, entriesMax: number, step: () => number, prng: Prng): O;
  client(
    world: ShapeSurroundings<O>,
    process: SimProcess,
    connection: SimConnection,
    database: ShapeDatabase,
    flushes: boolean,
  ): ShapeClient<O>;
}
