import { replyCode } from './faults.ts';
import type { LaneSteps } from './lane-steps.ts';

const PAGE_KEYS = 500;
/** Between two pages, ms: a sweep over ten million keys takes some minutes and is never felt. */
const PAGE_PAUSE_MS = 5;

/**
 * Removes the slots of incarnations that are gone. Dirty ones never expire, so somebody has to. What is to be
 * removed is noted in the lane itself, and the next recovery goes on where a process left off.
 */
export class GarbageCollector {
  readonly #onWarning: (message: string) => void;
  readonly #running = new Set<LaneSteps>();
  #closed = false;

  constructor(onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
  }

  /** Begins in the background; does nothing when there is nothing to remove. */
  collect(lane: LaneSteps): void {
    if (this.#closed || this.#running.has(lane)) return;
    this.#running.add(lane);
    this.sweep(lane)
      .catch((error: unknown) => {
        const code = replyCode(error);
        if (!this.#closed)
          this.#onWarning(
            'values that a recovery left behind in Redis were not removed' +
              `${code === undefined ? '' : ` (${code})`}; the next recovery tries again`,
          );
      })
      .finally(() => this.#running.delete(lane));
  }

  /** Resolves when everything is removed that was noted before. */
  async sweep(lane: LaneSteps): Promise<void> {
    const listed = `${lane.prefix}garbage`;
    const incarnations = (await lane.server.send(['SMEMBERS', listed])) as string[];
    if (incarnations.length === 0) return;
    let cursor = '0';
    do {
      const page = (await lane.server.send([
        'SCAN',
        cursor,
        'MATCH',
        `${globEscaped(lane.prefix)}*:*`,
        'COUNT',
        String(PAGE_KEYS),
      ])) as [string, string[]];
      cursor = page[0];
      const gone = page[1].filter((name) => isGarbage(name, lane.prefix, incarnations));
      if (gone.length > 0) await lane.run('sweep', () => gone);
      await new Promise<void>((resolve) => setTimeout(resolve, PAGE_PAUSE_MS).unref());
      if (this.#closed) return;
    } while (cursor !== '0');
    await lane.server.send(['SREM', listed, ...incarnations]);
  }

  close(): void {
    this.#closed = true;
  }
}

/** The script makes sure that it is not of the present incarnation. */
function isGarbage(name: string, prefix: string, incarnations: readonly string[]): boolean {
  const rest = name.slice(prefix.length);
  return incarnations.includes('*') || incarnations.includes(rest.slice(0, rest.indexOf(':')));
}

const globEscaped = (text: string): string => text.replaceAll(/[\\*?[\]^-]/g, '\\$&');
