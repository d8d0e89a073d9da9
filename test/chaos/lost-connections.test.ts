import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Pool } from 'pg';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock-and-random.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { createCache } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { PoolDatabase } from '../../src/stores/postgres/pool-database.ts';
import { DriverError } from '../../src/stores/sql/database.ts';
import { startPostgres } from '../servers/index.ts';
import { eventually } from '../support/gate.ts';

/**
 * Pools here have no listeners of their own, as most have that people write: an error that nobody hears would end the
 * process, and this run.
 */

test('a process whose pool nobody listens to outlives its server', async () => {
  await using postgres = await startPostgres();
  const pool = new Pool({ connectionString: postgres.url });
  await pool.query('create table documents (k text primary key, v jsonb not null)');
  const cache = createCache<number>({
    name: 'c',
    front: memoryFront(),
    store: postgresStore({ pool, table: 'documents', key: 'k', value: 'v' }),
    flush: { maxDelay: 10 },
    retry: { minDelay: 10, maxDelay: 100 },
  });
  // Several connections, which are idle when the server dies.
  await Promise.all(Array.from({ length: 8 }, (_, i) => cache.get(`k${i}`)));
  await cache.set('a', 1).then((receipt) => receipt.stored());
  expect(pool.idleCount).toBeGreaterThan(0);
  await postgres.kill9();
  await eventually('the pool has lost its connections', () => pool.idleCount === 0);
  const receipt = await cache.set('a', 2);
  await postgres.restart();
  await receipt.stored();
  expect((await pool.query('select v from documents')).rows).toEqual([{ v: 2 }]);
  await cache.close();
  await pool.end();
});

test('a connection that is ended in the moment in which it is made is a failed statement', async () => {
  const message = (type: string, body: string | Buffer): Buffer => {
    const head = Buffer.alloc(5, type);
    head.writeInt32BE(4 + body.length, 1);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  // Authenticated, ready, and ended by a server whose postmaster was killed: one packet.
  const packet = Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('Z', 'I'),
    message('E', 'SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0'),
  ]);
  const server = createServer((socket) =>
    socket.on('error', () => undefined).once('data', () => socket.end(packet)),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pool = new Pool({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    user: 'u',
    database: 'd',
    password: '',
  });
  const database = new PoolDatabase(pool, systemClock, { prepare: true, silenceMs: 5_000 });
  await expect(database.run({ text: 'select 1', values: [] })).rejects.toThrow(DriverError);
  await expect(database.transaction(['select 1'], () => expect.fail('there is no connection'))).rejects.toThrow(
    DriverError,
  );
  await pool.end();
  server.close();
});

test('a pool has one listener of ours, however many caches use it and however often it is wrapped', async () => {
  const pool = new Pool();
  for (let i = 0; i < 12; i++)
    for (const of of [pool, new Proxy(pool, {})])
      void new PoolDatabase(of, systemClock, { prepare: true, silenceMs: 5_000 });
  expect([pool.listenerCount('error'), pool.listenerCount('connect')]).toEqual([1, 1]);
  await pool.end();
});
