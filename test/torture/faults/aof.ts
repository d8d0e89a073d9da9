import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scene } from '../scene.ts';

/** The part of a server's append-only file that it appends to. */
async function aofIn(folder: string): Promise<string> {
  const name = (await readdir(join(folder, 'appendonlydir'))).find((file) => file.endsWith('.incr.aof'))!;
  return join(folder, 'appendonlydir', name);
}

export const aofSize = async (folder: string): Promise<number> => (await stat(await aofIn(folder))).size;

/** Keeps as many bytes of the append-only file of a server that is down as `keep` says of its size. */
export async function cutAof(folder: string, keep: (size: number) => number): Promise<void> {
  await truncate(await aofIn(folder), keep(await aofSize(folder)));
}

/**
 * A file that was cut within a script keeps the script's first half, which the restart after the next would execute.
 */
export async function rewriteAof(arena: Scene): Promise<void> {
  await arena.redis.command('BGREWRITEAOF');
  while (/aof_rewrite_(in_progress|scheduled):1/.test(String(await arena.redis.command('INFO', 'persistence'))))
    await arena.pause(10);
}
