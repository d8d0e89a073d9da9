import { entriesOf } from '../core/lane.ts';
import { MillraceError } from '../errors.ts';
import type { Background } from './base/background.ts';
import type { EngineContext } from './base/context.ts';
import { Deadline } from './base/deadline.ts';
import type { Flusher } from './flushing/flusher.ts';
import type { LaneProgress } from './flushing/progress.ts';
import type { Watermark } from './lanes/watermark.ts';
import type { Ways } from './shapes/plug.ts';

/** How long closing may take after its deadline, when front or store do not answer. */
const CLOSE_GRACE_MS = 1_000;

/** The parts of an engine that closing brings to rest. */
export interface Closing {
  readonly context: EngineContext;
  readonly watermarks: readonly Watermark[];
  readonly flusher: Flusher | undefined;
  readonly ways: Ways;
  readonly progress: LaneProgress;
  readonly background: Background;
}

/**
 * Drains until `timeoutMs` from now, gives the lanes back and lets go of front and store. Writes that wait for room
 * are drained too, and turned away at the deadline.
 */
export async function close(
  closing: Closing,
  timeoutMs: number,
): Promise<{ stored: number; remaining: number; dead: number }> {
  const { context, watermarks, flusher, ways, progress, background } = closing;
  const { clock, counts, front, store, settings, events } = context;
  const before = { stored: counts.stored, rejected: counts.rejected };
  const turnedAway = new MillraceError(
    'MILLRACE_CLOSED',
    'The cache was closed while the write waited for room. Nothing of it was kept.',
    { cache: settings.name },
  );
  const drained = new Deadline(clock, timeoutMs);
  // Nothing makes room while flushing is paused.
  if (flusher?.paused === true) ways.turnAway(turnedAway);
  await drained.wait(drain(closing)).catch((error: unknown) => background.report(error));
  ways.turnAway(turnedAway);
  background.stop();
  progress.stop();
  await drained.wait(flusher?.stop());
  drained.cancel();
  // What is left is quick, where the front answers.
  const left = new Deadline(clock, CLOSE_GRACE_MS);
  // Who was sent on when the deadline passed is answered before the front is let go of.
  await left.wait(Promise.all([flusher?.giveBack(), ways.sent()]));
  const remaining =
    (await left.wait(remainingIn(context).catch(() => undefined))) ??
    watermarks.reduce((sum, { entries }) => sum + entries, 0);
  if (remaining > 0 && !context.frontIsDurable) {
    events.emit('warning', {
      message:
        `${remaining} entries of cache "${settings.name}" remain in a front that dies with this process. ` +
        'They are lost unless another cache of this name uses the same front object.',
    });
  }
  progress.close(
    new MillraceError(
      'MILLRACE_CLOSED',
      'The cache was closed before the write was stored. It stays in the front and is stored by the next process ' +
        'that flushes.',
      { cache: settings.name },
    ),
  );
  // The cache is closed, whatever becomes of its connections.
  await left.wait(Promise.allSettled([front.close(), store.close()]));
  left.cancel();
  return { stored: counts.stored - before.stored, remaining, dead: counts.rejected - before.rejected };
}

/**
 * What is paused is not drained: somebody wants the store left alone. A lane that cannot be drained keeps no other from
 * it.
 */
async function drain({ ways, flusher, progress, background }: Closing): Promise<void> {
  await ways.idle();
  if (flusher === undefined || flusher.paused) return;
  for (const outcome of await Promise.allSettled(progress.flushes()))
    if (outcome.status === 'rejected') background.report(outcome.reason);
}

async function remainingIn({ front, settings }: EngineContext): Promise<number> {
  const lanes = Array.from({ length: settings.lanes }, (_, lane) => front.header(lane));
  return (await Promise.all(lanes)).reduce(
    (sum, { header }) => sum + (header === undefined ? 0 : entriesOf(header)),
    0,
  );
}
