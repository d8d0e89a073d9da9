import { expect, test } from 'vitest';
import { fsyncMode, syncServer } from '../../src/fronts/redis/acks.ts';
import type { Topology, Wire, WireEvents } from '../../src/fronts/redis/connection.ts';
import { RedisServer } from '../../src/fronts/redis/server.ts';

/** A server with WAITAOF (7.2), which the one that tests run on may not be. `sent` has what came over the second connection. */
function serverOf(version: string, synced: number, config: 'readable' | 'forbidden') {
  const sent: string[] = [];
  const wire = (events: WireEvents, side: boolean): Wire => {
    queueMicrotask(() => events.up());
    return {
      async send(args) {
        if (side) sent.push(args[0] as string);
        if (args[0] === 'INFO') return `redis_version:${version}\r\naof_enabled:1\r\n`;
        if (args[0] === 'CONFIG' && config === 'forbidden') throw new Error("NOPERM User u has no permissions to run the 'config' command");
        if (args[0] === 'CONFIG') return ['appendfsync', 'everysec'];
        return args[0] === 'WAITAOF' ? [synced, 0] : 'OK';
      },
      duplicate: async (events) => wire(events, true),
      close: () => undefined,
    };
  };
  const topology = { wire: (_address: string, events: WireEvents) => wire(events, false) } as unknown as Topology;
  return { server: new RedisServer(topology, '', 10, () => undefined), sent };
}

test('waits for the append-only file on a connection that has written something, and no writer waits with it', async () => {
  const { server, sent } = serverOf('7.2.0', 1, 'forbidden');
  expect(await fsyncMode(server)).toEqual({ kind: 'waitaof' });
  await syncServer(server, 'fsynced', '{x}:sync', 1_000);
  expect(sent).toEqual(['EVAL', 'WAITAOF']);
});

test('does not take an unconfirmed sync for one', async () => {
  const { server } = serverOf('7.4.1', 0, 'readable');
  await expect(syncServer(server, 'fsynced', '{x}:sync', 1_000)).rejects.toMatchObject({ code: 'MILLRACE_ACK' });
});

test('finds nothing to wait with on an older server that syncs every second', async () => {
  const { server } = serverOf('7.0.15', 1, 'readable');
  await expect(syncServer(server, 'fsynced', '{x}:sync', 1_000)).rejects.toMatchObject({ code: 'MILLRACE_ACK' });
});
