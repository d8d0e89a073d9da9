import { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';

/**
 * Opens a lane of a cache without write-behind, which has no owner and no fence: after a restart of the front it
 * forgets its slots.
 */
export async function adopt({ settings, front }: Surroundings & FrontSide, lane: number): Promise<void> {
  const adopted = await front.adopt(lane);
  if (adopted.kind === 'pending') {
    throw new MillraceError(
      'MILLRACE_OPTIONS',
      `Cache "${settings.name}" has ${adopted.entries} pending writes from a write-behind policy. Drain it with ` +
        `policy: 'write-behind' before you change to '${settings.policy}'.`,
      { cache: settings.name, lane },
    );
  }
  if (adopted.kind === 'lanes') {
    throw new MillraceError(
      'MILLRACE_LANES',
      `Cache "${settings.name}" has ${adopted.lanes} lanes in the front, not ${settings.lanes}. Set lanes: ` +
        `${adopted.lanes}, or use a new name.`,
      { cache: settings.name },
    );
  }
}
