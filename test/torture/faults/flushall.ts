import { AOF_EVERYSEC, type Kind } from './kind.ts';

export const flushall: Kind = {
  name: 'flushall',
  summary: 'FLUSHALL under load',
  front: { kind: 'redis', args: AOF_EVERYSEC },
  levels: ['buffered', 'stored'],
  survives: ['stored'],
  loses: true,
  writeThrough: true,
  faults: [1, 3],
  inflict: async (arena) => void (await arena.redis.command('FLUSHALL')),
};
