import type { Mutation } from '../../ports/store.ts';
import type { FrontSide } from '../base/context.ts';
import type { Level } from '../base/level.ts';
import { APPENDS_MAX, READ_KEYS_MAX } from '../base/settings.ts';
import { LaneTaken, type ReadableGeneration } from '../flushing/generation-pages.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';
import type { Caller } from '../writing/caller.ts';
import { AppendCaller, AppendSteps, eventName } from './appends.ts';
import { ahead, counted } from './pages.ts';
import type { PlugParts, ShapePlug } from './plug.ts';
import { inOrder, QueuedWays } from './queued-ways.ts';

/** Events: each is a row of its own, and they keep their order. */
export const log: ShapePlug<LogWays> = {
  pages: ({ front }) => ({
    isSorted: false,
    read: (generation) =>
      // Which events are gone is taken to be the last ones.
      counted(generation, eventPages(front, generation), (place) =>
        eventName(generation.lane, generation.fromSeq + place),
      ),
  }),
  open: (parts) => new LogWays(parts),
};

/** The ways of a log. */
export class LogWays extends QueuedWays<AppendCaller> {
  constructor(parts: PlugParts) {
    super(parts, new AppendSteps(parts.context, parts.hooks), inOrder({ isEach: true, sizeMax: APPENDS_MAX }));
  }

  /** Resolves when the front has acknowledged the event at `ack` (`stored` counts as `buffered`). */
  append(lane: number, entry: string, bytes: number, { ack, signal }: Level): Promise<PendingReceipt> {
    const make = (resolve: (receipt: PendingReceipt) => void, reject: Caller['reject']) =>
      new AppendCaller(entry, bytes, ack, resolve, reject);
    return this.ask(lane, signal, make);
  }
}

/** The events of a generation in their order, in pages; the next is on its way while one is worked on. */
async function* eventPages(
  front: FrontSide['front'],
  { lane, epoch, generation, fromSeq }: ReadableGeneration,
): AsyncGenerator<Mutation[]> {
  const limit = READ_KEYS_MAX;
  let next = front.readLog(lane, epoch, generation, 0, limit);
  for (let from = 0; ; from += limit) {
    const page = await next;
    if (page.kind === 'refused') throw new LaneTaken(lane);
    const isLast = page.entries.length < limit;
    if (!isLast) next = ahead(front.readLog(lane, epoch, generation, from + limit, limit));
    yield page.entries.map((entry, i) => ({
      lane,
      key: eventName(lane, fromSeq + from + i),
      json: entry,
      kind: 'append' as const,
    }));
    if (isLast) return;
  }
}
