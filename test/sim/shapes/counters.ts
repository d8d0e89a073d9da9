import type { Cast } from './cast.ts';
import { CountersClient } from './counters-client.ts';
import { CountersOracle, isRefusedSum } from './counters-oracle.ts';

/** Schedules of counters. */
export const COUNTERS: Cast<CountersOracle> = {
  table: {
    refuses: isRefusedSum,
    write: (rows, { key, json }) => void rows.set(key, String(BigInt(rows.get(key) ?? 0) + BigInt(json as string))),
  },
  ambushes: [
    'increment',
    'increment',
    'sync',
    'cut',
    'readDeltas',
    'acknowledge',
    'recover',
    'confirm',
    'claim',
    'header',
    'fillTotals',
    'load',
    'raiseEpoch',
    'beginEpoch',
    'begin',
    'statement',
    'commit',
    'letters',
    'retry',
    'invalidate',
    'invalidate',
  ],
  oracle: (lanes, entriesMax, step) => new CountersOracle(lanes, entriesMax, step),
  client: (world, process, connection, database, flushes) =>
    new CountersClient(world, process, connection, database, flushes),
};
