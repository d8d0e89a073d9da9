import { AOF_EVERYSEC, type Kind } from './kind.ts';

/** The primary dies while its replica lags behind, and the replica takes its place. */
export const promote: Kind = {
  name: 'promote',
  summary: 'a replica that lags behind is promoted, and clients are led to it',
  front: { kind: 'redis', args: AOF_EVERYSEC, replica: true },
  levels: ['buffered', 'replicated', 'stored'],
  survives: ['replicated', 'stored'],
  loses: true,
  proxied: true,
  writeThrough: true,
  faults: [1, 1],
  async inflict(arena, random) {
    const { link } = arena.replica;
    if (random.chance(0.8)) link.stall();
    await arena.pause(random.between(0, 400));
    await arena.promoteReplica();
  },
};

export const promoteValkey: Kind = {
  ...promote,
  name: 'promote-valkey',
  summary: 'the same on Valkey, with what was asked for as fsynced by WAITAOF beside it',
  front: { kind: 'redis', args: AOF_EVERYSEC, replica: true, waitaof: true },
  levels: ['buffered', 'fsynced', 'replicated', 'stored'],
};
