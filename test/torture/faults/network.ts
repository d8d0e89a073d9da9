import { AOF_EVERYSEC, type Kind } from './kind.ts';

export const cut: Kind = {
  name: 'cut',
  summary: 'connections to Redis and PostgreSQL cut by a proxy',
  front: { kind: 'redis', args: AOF_EVERYSEC },
  levels: ['buffered', 'stored'],
  survives: ['buffered', 'stored'],
  proxied: true,
  writeThrough: true,
  faults: [3, 6],
  inflict: async (arena, random) => random.pick(arena.proxies).cut(),
};

export const stall: Kind = {
  name: 'stall',
  summary: 'connections to Redis and PostgreSQL stalled by a proxy, some beyond the timeouts',
  front: { kind: 'redis', args: AOF_EVERYSEC },
  levels: ['buffered', 'stored'],
  survives: ['buffered', 'stored'],
  late: true,
  proxied: true,
  writeThrough: true,
  faults: [1, 2],
  async inflict(arena, random) {
    const proxy = random.pick(arena.proxies);
    proxy.stall();
    await arena.pause(random.pick([100, 500, 1_800]));
    if (random.chance(0.3)) proxy.cut();
    proxy.resume();
  },
};
