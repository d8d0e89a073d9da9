import { cutAof, rewriteAof } from './aof.ts';
import { AOF_EVERYSEC, type Kind } from './kind.ts';

/** The power fails: the last part of what Redis wrote is not on the disk. */
export const aofCut: Kind = {
  name: 'aof-cut',
  summary: "Redis's append-only file cut at a random byte, as a power cut leaves it",
  front: { kind: 'redis', args: [...AOF_EVERYSEC, '--aof-load-truncated', 'yes'] },
  levels: ['buffered', 'stored'],
  survives: ['stored'],
  loses: true,
  writeThrough: true,
  faults: [1, 2],
  async inflict(arena, random) {
    // Mostly the last part, as a power cut does; sometimes anywhere.
    await arena.crashRedis(random.between(0, 150), (folder) =>
      cutAof(folder, (size) => random.between(random.chance(0.7) ? Math.floor(size * 0.9) : 0, size)),
    );
    await rewriteAof(arena);
  },
};
