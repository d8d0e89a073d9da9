import type { Cast } from './cast.ts';
import { LogClient } from './log-client.ts';
import { addRow, isPoison, LogOracle } from './log-oracle.ts';

/** Schedules of logs. */
export const LOG: Cast<LogOracle> = {
  table: {
    refuses: isPoison,
    write: (rows, { lane, json }) => addRow(rows, lane, json as string),
  },
  ambushes: [
    'append',
    'append',
    'sync',
    'cut',
    'readLog',
    'acknowledge',
    'recover',
    'confirm',
    'claim',
    'header',
    'raiseEpoch',
    'beginEpoch',
    'begin',
    'statement',
    'commit',
    'letters',
    'retry',
  ],
  oracle: (lanes, entriesMax) => new LogOracle(lanes, entriesMax),
  client: (world, process, connection, database, flushes) =>
    new LogClient(world, process, connection, database, flushes),
};
