import { AOF_ALWAYS, AOF_EVERYSEC, type Kind } from './kind.ts';

export const redisAlways: Kind = {
  name: 'redis-always',
  summary: 'kill -9 of Redis with appendfsync always',
  front: { kind: 'redis', args: AOF_ALWAYS },
  levels: ['buffered', 'fsynced', 'stored'],
  // The server answers when its append-only file is synced.
  survives: ['buffered', 'fsynced', 'stored'],
  writeThrough: true,
  faults: [1, 3],
  inflict: async (arena, random) => arena.crashRedis(random.between(0, 150)),
};

export const redisEverysec: Kind = {
  name: 'redis-everysec',
  summary: 'kill -9 of Redis with appendfsync everysec',
  front: { kind: 'redis', args: AOF_EVERYSEC },
  levels: ['buffered', 'stored'],
  survives: ['stored'],
  loses: true,
  writeThrough: true,
  faults: [1, 3],
  inflict: async (arena, random) => arena.crashRedis(random.between(0, 150)),
};
