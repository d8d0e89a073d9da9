import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from './kind.ts';

export const diskFull: Kind = {
  name: 'disk-full',
  summary: "LMDB's disk full (a small tmpfs, which takes root), then not any more",
  front: { kind: 'lmdb', diskMiB: 16 },
  levels: ['fsynced', 'stored'],
  survives: ['fsynced', 'stored'],
  faults: [1, 2],
  async inflict(arena, random) {
    const path = join(arena.disk, 'filler');
    await fill(path);
    await arena.pause(random.between(100, 500));
    await rm(path);
  },
};

/** Writes until the disk has no byte left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const bytes of [1 << 16, 1 << 12, 1]) {
      const part = Buffer.alloc(bytes);
      // The file system refuses what does not fit.
      while (await file.write(part).then(({ bytesWritten }) => bytesWritten === bytes, refusesOnlyForSpace));
    }
  } finally {
    await file.close();
  }
}

function refusesOnlyForSpace(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOSPC') throw error;
  return false;
}
