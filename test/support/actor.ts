/**
 * Another process with a cache of its own. Its argument is an {@link Act} as JSON; it prints a line of JSON for each
 * thing that happens. `work` flushes until its standard input ends; `write` sets keys, closes and must end by itself;
 * `leave` sets keys and does not close; `read` gets one key a thousand times at once.
 */
import { once } from 'node:events';
import pg from 'pg';
import { createCache } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { type FrontSpec, frontOf } from './front-spec.ts';

export interface Act {
  readonly front: FrontSpec;
  readonly postgres: string;
  readonly table: string;
  readonly mode: 'work' | 'write' | 'leave' | 'read';
  readonly maxDelay: number;
}

const act = JSON.parse(process.argv[2] as string) as Act;
const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const pool = new pg.Pool({ connectionString: act.postgres, max: 4 });
pool.on('error', () => undefined);
const cache = createCache<number>({
  name: 'c',
  front: frontOf(act.front),
  store: postgresStore({ pool, table: act.table, key: 'id', value: 'doc' }),
  flush: { maxDelay: act.maxDelay, lease: '300ms' },
});
await cache.ready();
say({ ready: true });

switch (act.mode) {
  case 'work':
    process.stdin.resume();
    await once(process.stdin, 'end');
    say({ closed: await cache.close() });
    await pool.end();
    break;
  case 'write':
    for (let n = 0; n < 10; n++) await cache.set(`k${n}`, n);
    say({ read: await cache.get('k3'), nothing: (await cache.get('nothing')) === undefined });
    say({ closed: await cache.close() });
    await pool.end();
    break;
  case 'leave':
    for (let n = 0; n < 10; n++) await cache.set(`k${n}`, n);
    say({ left: true });
    break;
  case 'read': {
    await once(process.stdin.resume(), 'data');
    const values = await Promise.all(Array.from({ length: 1_000 }, () => cache.get('k')));
    say({ values: [...new Set(values)], loads: (await cache.stats()).loads });
    await cache.close();
    await pool.end();
    process.stdin.destroy();
    break;
  }
}
