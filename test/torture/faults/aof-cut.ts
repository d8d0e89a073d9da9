import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
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
    await arena.crashRedis(random.between(0, 150), async (folder) => {
      const name = (await readdir(join(folder, 'appendonlydir'))).find((file) => file.endsWith('.incr.aof'))!;
      const file = join(folder, 'appendonlydir', name);
      const { size } = await stat(file);
      // Mostly the last part, as a power cut does; sometimes anywhere.
      await truncate(file, random.between(random.chance(0.7) ? Math.floor(size * 0.9) : 0, size));
    });
    // A file that was cut within a script keeps the script's first half, which the restart after the next would execute.
    await arena.redis.command('BGREWRITEAOF');
    while (/aof_rewrite_(in_progress|scheduled):1/.test(String(await arena.redis.command('INFO', 'persistence')))) await arena.pause(10);
  },
};
