import type { Kind } from './kind.ts';

export const kill: Kind = {
  name: 'kill',
  summary: 'kill -9 of writers and workers on Redis',
  front: { kind: 'redis', args: [] },
  levels: ['buffered', 'stored'],
  survives: ['buffered', 'stored'],
  writeThrough: true,
  faults: [14, 18],
  inflict: async (arena, random) => arena.replace(random.pick(arena.members)),
};

export const killLmdb: Kind = {
  name: 'kill-lmdb',
  summary: 'kill -9 of writers and workers that share an LMDB folder',
  front: { kind: 'lmdb' },
  levels: ['fsynced', 'stored'],
  survives: ['fsynced', 'stored'],
  writeThrough: true,
  faults: [14, 18],
  inflict: async (arena, random) => arena.replace(random.pick(arena.members)),
};

export const suspend: Kind = {
  name: 'suspend',
  summary: 'SIGSTOP of writers and workers past their lease, then SIGCONT',
  front: { kind: 'redis', args: [] },
  levels: ['buffered', 'stored'],
  survives: ['buffered', 'stored'],
  writeThrough: true,
  faults: [2, 4],
  async inflict(arena, random) {
    const member = random.pick(arena.members);
    member.signal('SIGSTOP');
    await arena.pause(random.between(50, 4 * arena.leaseMs));
    member.signal('SIGCONT');
  },
};
