import type { Refused } from '../../core/lane.ts';
import { type AppendBatch, type AppendResult, eventsWithoutRoom } from '../../core/lane-log.ts';
import type { LogFront } from '../../ports/log-front.ts';
import { refusal, refused } from './answers.ts';
import type { Reply } from './lane-steps.ts';
import type { StepRunner } from './step-runner.ts';

/** The steps of a log, with arguments and answers as their scripts have them. */
export const logFront = (steps: StepRunner): LogFront => ({
  async append(lane, batch) {
    const reply = await steps.accept(lane, 'append', batch.entries.length, (incarnation) =>
      appendArgs(batch, incarnation),
    );
    return 'kind' in reply ? reply : appended(reply, batch);
  },

  async readLog(lane, epoch, generation, from, limit) {
    const entries: string[] = [];
    let isEnd = false;
    while (!isEnd && entries.length < limit) {
      const part = logPart(
        await steps.run(lane, 'readLog', () =>
          [epoch, generation, from + entries.length, limit - entries.length].map(String),
        ),
      );
      if (part.kind === 'refused') return part;
      entries.push(...part.entries);
      isEnd = part.entries.length < part.count;
    }
    return { kind: 'entries', entries };
  },
});

const appendArgs = ({ shape, bytes, maxEntries, maxBytes, entries }: AppendBatch, incarnation: string): string[] => [
  incarnation,
  shape,
  String(bytes),
  String(maxEntries),
  String(maxBytes),
  ...entries,
];

function appended(reply: Reply, batch: AppendBatch): AppendResult {
  if (reply[0] === 'full') {
    const [, entries, bytes] = reply as readonly [string, number, number];
    return { kind: 'full', entries, bytes, refused: eventsWithoutRoom(batch, entries, bytes) };
  }
  if (reply[0] !== 'accepted') return refusal(reply, batch.shape);
  const [, seq, epoch, pending, entries, bytes] = reply as readonly [string, number, number, number, number, number];
  return { kind: 'accepted', seq, epoch, pending, entries, bytes };
}

/** `count` is how many were looked for: where fewer were found, the log ends. */
function logPart(
  reply: Reply,
): { readonly kind: 'entries'; readonly entries: readonly string[]; readonly count: number } | Refused {
  return reply[0] === 'refused'
    ? refused(reply)
    : { kind: 'entries', entries: reply[1] as string[], count: reply[2] as number };
}
