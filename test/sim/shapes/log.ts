import type { Cast } from './cast.ts';
import { LogClient } from './log-client.ts';
import { isPoison, LogOracle, rowOf } from './log-oracle.ts';

/** Schedules of logs. */
export const LOG: Cast<LogOracle> = {
  table: {
    refuses: isPoison,
    write: (rows, { lane, json }) => {
      const n = [...rows.keys()].filter((key) => key.startsWith(`${lane}/`)).length;
      rows.set(rowOf(lane, n), json as string);
    },
  },
  ambushes: ['append', 'append', 'sync', 'cut', 'readLog', 'acknowledge', 'recover', 'confirm', 'claim', 'header', 'raiseEpoch', 'beginEpoch', 'begin', 'statement', 'commit', 'letters'],
  oracle: (lanes, entriesMax) => new LogOracle(lanes, entriesMax),
  client: (world, process, connection, database, flushes) => new LogClient(world, process, connection, database, flushes),
};
