import { AOF_EVERYSEC, type Kind } from './kind.ts';

export const postgresCrash: Kind = {
  name: 'postgres-crash',
  summary: 'kill -9 of PostgreSQL and its backends in the middle of commits',
  front: { kind: 'redis', args: AOF_EVERYSEC },
  levels: ['buffered', 'stored'],
  survives: ['buffered', 'stored'],
  writeThrough: true,
  faults: [1, 2],
  inflict: async (arena, random) => arena.crashPostgres(random.between(0, 300)),
};
