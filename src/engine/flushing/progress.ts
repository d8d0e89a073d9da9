import { MillraceError } from '../../errors.ts';
import type { Timer } from '../../ports/clock.ts';
import type { DeadLetter } from '../../ports/store.ts';
import { untilAborted } from '../base/abort.ts';
import type { Background } from '../base/background.ts';
import type { EngineContext } from '../base/context.ts';
import { within } from '../base/deadline.ts';
import type { PendingReceipt, ReceiptProgress } from '../lanes/receipt.ts';
import { type Position, rejection, type Watermark } from '../lanes/watermark.ts';
import type { Flusher } from './flusher.ts';
import { LetterWaiters } from './letter-waiters.ts';

/** How often a process asks for the progress of a lane that another one flushes, while somebody waits. */
const PROGRESS_POLL_MS = 25;
/** How often a full buffer is looked at when no flush of this process makes room. */
const ROOM_POLL_MS = 100;

/** How far the lanes are stored, for whoever waits for it; hurries whoever flushes them. */
export class LaneProgress implements ReceiptProgress {
  readonly #context: EngineContext;
  readonly #watermarks: readonly Watermark[];
  readonly #flusher: Flusher | undefined;
  readonly #recover: (lane: number) => Promise<void>;
  readonly #background: Background;
  readonly #letters: LetterWaiters;
  #pollTimer: Timer | undefined;
  #stopped = false;

  constructor({ context, watermarks, flusher, recover, background }: LaneProgressParts) {
    this.#context = context;
    this.#watermarks = watermarks;
    this.#flusher = flusher;
    this.#recover = recover;
    this.#background = background;
    this.#letters = new LetterWaiters(context);
  }

  /**
   * Resolves when the store has the mutation at `position`, or a later one of its key; waits for a refused one until it
   * is tried again. Rejects when it is dead or lost. Is never settled once the signal is aborted.
   */
  async stored(position: Position, key: string | undefined, signal?: AbortSignal): Promise<void> {
    const watermark = this.#watermarks[position.lane] as Watermark;
    const done = watermark.wait(position, key, signal);
    this.#follow();
    const waiting = await done;
    if (waiting !== undefined) return void (await this.letterOutcome(waiting, signal));
    if (key === undefined || watermark.judged(position.seq)) return;
    // Another process flushed it, and only the letters know whether the store took it.
    const letter = await this.#context.store.lanes?.deadLetters?.ofWrite(key, position.seq);
    if (letter?.state === 'waiting') return void (await this.letterOutcome(letter.id, signal));
    this.#refuseDead(letter);
  }

  /** Resolves when the store has what the front acknowledged, as soon as can be. */
  async untilStored(receipt: PendingReceipt, signal: AbortSignal | undefined): Promise<void> {
    this.hurry(receipt.lane);
    await untilAborted(this.stored(receipt, receipt.key, signal), signal, this.#context.settings.name, receipt.key);
  }

  /** What became of a letter, when it does not wait any more; rejects when it is dead or discarded. */
  async letterOutcome(id: string, signal?: AbortSignal): Promise<'stored' | 'superseded'> {
    const letter = await this.#letters.outcome(id, signal);
    this.#refuseDead(letter);
    return letter?.state === 'stored' ? 'stored' : 'superseded';
  }

  #refuseDead(letter: DeadLetter | undefined): void {
    if (letter?.state === 'dead' || letter?.state === 'discarded') throw rejection(this.#context.settings.name, letter);
  }

  /**
   * Each lane's flush: resolves when what the lane holds now is stored or refused. What is lost was reported as such,
   * and is not waited for. None is settled once the signal is aborted, unless it fails.
   */
  flushes(signal?: AbortSignal): Promise<void>[] {
    return this.#watermarks.map((_, lane) => this.#flush(lane, signal));
  }

  async #flush(lane: number, signal: AbortSignal | undefined): Promise<void> {
    const position = await this.#barrier(lane);
    if (position === undefined) return;
    const stored = this.stored(position, undefined, signal);
    // Not before: who waits already is told when the lane stops over it.
    this.#flusher?.hurry(lane);
    await stored.catch((error: unknown) => {
      if (!(error instanceof MillraceError) || error.code !== 'MILLRACE_LOST') throw error;
    });
  }

  async #barrier(lane: number): Promise<Position | undefined> {
    const flushLane = this.#flusher?.lane(lane);
    if (flushLane?.state === 'stopped' && flushLane.lastError !== undefined) throw flushLane.lastError;
    const { front, settings } = this.#context;
    let requested = await front.requestFlush(lane);
    if (requested.kind === 'unrecovered') {
      await this.#recover(lane);
      requested = await front.requestFlush(lane);
      if (requested.kind === 'unrecovered')
        throw new MillraceError(
          'MILLRACE_FRONT_UNAVAILABLE',
          `Lane ${lane} could not be recovered, so it is not known what is pending.`,
          { cache: settings.name, lane },
        );
    }
    const { header } = requested;
    const watermark = this.#watermarks[lane] as Watermark;
    watermark.observe(header);
    // Also with nothing pending: of what the lane tells to be stored the store has lost something.
    const stopped = watermark.stoppedBy(header);
    if (stopped !== undefined) throw stopped;
    if (header.pendingEntries === 0 && header.flight?.state !== 'cut') return undefined;
    this.#flusher?.observed(lane, header);
    return { lane, epoch: header.epoch, seq: header.seq };
  }

  hurry(lane: number): void {
    if (this.#flusher !== undefined && this.#flusher.lane(lane).state !== 'foreign') this.#flusher.hurry(lane);
    // Somebody else flushes: ask there. If the request is lost, the mutation is stored when it is due anyway.
    else void this.#context.front.requestFlush(lane).catch(() => undefined);
  }

  /** Looks at a lane; whoever waits for what it tells is answered. */
  async observe(lane: number): Promise<void> {
    const { header, current } = await this.#context.front.header(lane);
    // What is not recovered, or not confirmed yet, tells nothing that could be relied on.
    if (header !== undefined && current) (this.#watermarks[lane] as Watermark).observe(header);
  }

  /** Looks at all lanes: others may have flushed them. */
  async observeAll(): Promise<void> {
    await Promise.all(this.#watermarks.map((_, lane) => this.observe(lane)));
  }

  /**
   * Resolves after the next flush of this process, or after a while: another one may have made room. The lanes were
   * looked at by then.
   */
  async untilFlushed(): Promise<void> {
    this.#watermarks.forEach((_, lane) => this.hurry(lane));
    const never = new Promise<void>(() => undefined);
    await within(this.#context.clock, ROOM_POLL_MS, this.#flusher?.nextFlush() ?? never);
    // A front that cannot be reached has no room either.
    await this.observeAll().catch(() => undefined);
  }

  /** Asks for the progress of lanes that other processes flush, for as long as somebody waits. */
  #follow(): void {
    if (this.#pollTimer !== undefined || this.#stopped || !this.#watermarks.some((mark) => mark.waiting)) return;
    this.#pollTimer = this.#context.clock.after(PROGRESS_POLL_MS, () => void this.#poll(), true);
  }

  async #poll(): Promise<void> {
    const looks = this.#watermarks.map(async (watermark, lane) => {
      if (watermark.waiting && this.#flusher?.lane(lane).isOurs !== true) await this.observe(lane);
    });
    await Promise.all(looks).catch((error: unknown) => this.#background.report(error));
    this.#pollTimer = undefined;
    this.#follow();
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    this.#pollTimer?.cancel();
  }

  /** Rejects everybody who waits. */
  close(error: MillraceError): void {
    for (const watermark of this.#watermarks) watermark.close(error);
    this.#letters.close(error);
  }
}

export interface LaneProgressParts {
  readonly context: EngineContext;
  readonly watermarks: readonly Watermark[];
  /** Undefined where other processes flush. */
  readonly flusher: Flusher | undefined;
  readonly recover: (lane: number) => Promise<void>;
  readonly background: Background;
}
