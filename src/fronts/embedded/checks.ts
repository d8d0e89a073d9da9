import { type LaneHeader } from '../../core/lane.ts';
import { misshapen } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Attachment, FrontCapabilities } from '../../ports/front.ts';

/** Refuses a level that the front cannot give: `why` says why. */
export function checkAcks({ cache, acks }: Attachment, capabilities: FrontCapabilities, why: string): void {
  for (const level of acks) {
    if (level === 'stored' || capabilities.acks.includes(level)) continue;
    throw new MillraceError('MILLRACE_ACK', `the acknowledgement level '${level}' cannot be given: ${why}`, { cache });
  }
}

/** Refuses a cache that is there with another number of lanes, or with something else in them. */
export function checkLanes({ cache, lanes, shape = '' }: Attachment, headers: Iterable<LaneHeader | undefined>): void {
  for (const header of headers) {
    if (header === undefined) continue;
    const fault = misshapen(header.shape, shape);
    if (fault !== '')
      throw new MillraceError(
        'MILLRACE_OPTIONS',
        `the cache exists in the front already, and ${fault}: use another name`,
        { cache },
      );
    if (header.lanes === lanes) continue;
    throw new MillraceError(
      'MILLRACE_LANES',
      `the cache exists in the front with ${header.lanes} lanes, and ${lanes} are configured`,
      { cache },
    );
  }
}
