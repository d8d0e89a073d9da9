import { type AckLevel, isSyncLevel, type SyncLevel } from '../../core/acks.ts';
import { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import type { Position, Watermark } from '../lanes/watermark.ts';

/** Who asked for a write, and for how much of an acknowledgement. */
interface Asked {
  readonly ack: AckLevel;
  reject(error: unknown): void;
}

/**
 * Answers those whose writes the front holds up to `last`: at once, or when it holds them at the level that they ask
 * for. Each level is by itself: what is not confirmed at one is none of the others' business.
 */
export function answerAtLevels<A extends Asked>(
  context: Surroundings & FrontSide,
  watermark: Watermark,
  last: Position,
  all: readonly A[],
  resolve: (asked: A, place: number) => void,
): void {
  const levels = new Set<SyncLevel>();
  for (let i = 0; i < all.length; i++) {
    const asked = all[i] as A;
    if (isSyncLevel(asked.ack)) levels.add(asked.ack);
    else resolve(asked, i);
  }
  for (const level of levels) {
    const each = (answer: (asked: A, place: number) => void): void =>
      all.forEach((asked, i) => asked.ack === level && answer(asked, i));
    confirm(context, watermark, level, last).then(
      () => each(resolve),
      (error: unknown) => each((asked) => asked.reject(error)),
    );
  }
}

/** A front that was restarted since the write confirms what it has, which may not be the write. */
async function confirm(
  { front, settings }: Surroundings & FrontSide,
  watermark: Watermark,
  level: SyncLevel,
  last: Position,
): Promise<void> {
  const { lane } = last;
  await front.sync(level, lane);
  const { header, current } = await front.header(lane);
  if (header !== undefined && current) {
    watermark.observe(header);
    if (watermark.survived(last)) return;
  }
  throw new MillraceError(
    'MILLRACE_LOST',
    `The front was restarted before it could confirm the write as '${level}'. The write may be lost; write it again.`,
    { cache: settings.name, lane },
  );
}
