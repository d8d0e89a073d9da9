import { aofSize, cutAof, rewriteAof } from './aof.ts';
import { AOF_EVERYSEC, type Kind } from './kind.ts';

/** The power fails: of what was written since the last sync, some is on the disk. */
export const waitaof: Kind = {
  name: 'waitaof',
  summary: 'kill -9 of Valkey with appendfsync everysec, and its append-only file cut anywhere after what was synced',
  front: { kind: 'redis', args: [...AOF_EVERYSEC, '--aof-load-truncated', 'yes'], waitaof: true },
  levels: ['buffered', 'fsynced', 'stored'],
  survives: ['fsynced', 'stored'],
  loses: true,
  writeThrough: true,
  faults: [1, 2],
  async inflict(arena, random) {
    // From here on nothing is synced, nor confirmed: what was, is within the present size.
    await arena.redis.command('CONFIG', 'SET', 'appendfsync', 'no');
    const synced = await aofSize(arena.redis.server.dir);
    await arena.pause(random.between(50, 400));
    await arena.crashRedis(random.between(0, 150), (folder) => cutAof(folder, (size) => random.between(synced, size)));
    await rewriteAof(arena);
  },
};
