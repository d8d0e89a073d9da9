import {
  type FillScoresResult,
  type LoadedScores,
  type ScoreQuery,
  type ScoreRows,
  turned,
  WEIGHT_MAX,
} from '../../core/lane-scores.ts';
import type { BoardProgress, Unloaded } from '../../core/score-table.ts';
import { MillraceError } from '../../errors.ts';
import type { ScoresPage, StoredScores } from '../../ports/scores-store.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import { KEY_BYTES_MAX, LOAD_SCORES_MAX } from '../base/settings.ts';

/** Loads in a row that came too late. Each means that a generation was stored meanwhile, so a few are rare. */
const STALE_MAX = 50;
const STALE_PAUSE_MS = 2;
const LANE = 0;

/** Rows after `cursor`, on their way since the lane was in this epoch. */
interface Page {
  readonly epoch: number;
  readonly cursor: string;
  readonly stored: Promise<StoredScores>;
}

/**
 * Reads a leaderboard, and loads it where the front does not have it: page by page, each put in by the front where
 * nothing newer is (see `fillScores` in `core/lane-scores.ts`), while the next is read. Several processes may load it
 * at once: each goes on where the board is.
 */
export class Board {
  readonly #context: EngineContext & StoreWith<'scores'>;
  readonly #recover: () => Promise<void>;
  #loading: Promise<void> | undefined;
  /** The page after the one that is being put in. */
  #ahead: Page | undefined;

  constructor(context: EngineContext & StoreWith<'scores'>, recover: () => Promise<void>) {
    this.#context = context;
    this.#recover = recover;
  }

  async read(query: ScoreQuery): Promise<ScoreRows> {
    const { counts } = this.#context;
    for (let first = true; ; first = false) {
      const result = await this.#ask(query);
      if (result.kind === 'rows') {
        if (first) counts.hits++;
        return result;
      }
      if (first) counts.misses++;
      await this.ready();
    }
  }

  /**
   * Resolves when the board is loaded. Rejects when that fails, or takes longer than one waits for it; the loading goes
   * on.
   */
  async ready(untilMs?: number): Promise<void> {
    const { clock, settings } = this.#context;
    const waitMs = untilMs === undefined ? settings.loadWaitMs : Math.max(0, untilMs - clock.monotonic());
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      this.#ahead = undefined;
    });
    // Whoever waits hears of it; when nobody waits any more, nobody does.
    this.#loading.catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      const late = new MillraceError(
        'MILLRACE_TIMEOUT',
        `The leaderboard was not loaded from the store within ${settings.loadWaitMs} ms (option loadWait). The ` +
          'loading goes on.',
        { cache: settings.name },
      );
      const timer = clock.after(waitMs, () => reject(late), true);
      (this.#loading as Promise<void>).then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** What the board answers when it is recovered. */
  async #ask(query: ScoreQuery): Promise<ScoreRows | Unloaded> {
    const { front, settings } = this.#context;
    for (;;) {
      const result = await front.readScores(LANE, settings.shape, query);
      switch (result.kind) {
        case 'unrecovered':
          await this.#recover();
          break;
        case 'stopped':
          throw this.#stopped(result.reason);
        default:
          return result;
      }
    }
  }

  async #load(): Promise<void> {
    const { clock, settings } = this.#context;
    let stale = 0;
    for (let at = await this.#progress(); at !== undefined; ) {
      const result = await this.#loadNext(at);
      if (result !== 'stale' && result !== 'unrecovered') {
        stale = 0;
        at = result.complete && result.doubts.length === 0 ? undefined : result;
        continue;
      }
      this.#ahead = undefined;
      stale = result === 'stale' ? stale + 1 : 0;
      if (stale >= STALE_MAX)
        throw new MillraceError(
          'MILLRACE_FRONT_UNAVAILABLE',
          'The leaderboard was flushed again and again while it was loaded; try again.',
          { cache: settings.name },
        );
      if (stale > 2) await new Promise<void>((resolve) => clock.after(STALE_PAUSE_MS * stale, resolve, true));
      at = await this.#progress();
    }
  }

  /** Undefined when the board is loaded. */
  async #progress(): Promise<BoardProgress | undefined> {
    const result = await this.#ask({ kind: 'range', from: 0, count: 0 });
    return result.kind === 'rows' ? undefined : result;
  }

  /** Loads the next page, or what is in doubt once there are no more. */
  async #loadNext({
    complete,
    epoch,
    cursor,
    doubts,
  }: BoardProgress): Promise<BoardProgress | 'stale' | 'unrecovered'> {
    const { shape } = this.#context.settings;
    if (complete) {
      const { scores, generation } = await this.#rows({ members: doubts.map(([member]) => member) });
      const weights = this.#weightsOf(scores);
      return this.#fill({
        generation,
        epoch,
        shape,
        doubts: doubts.map(([member, token]) => ({ member, token, weight: weights.get(member) })),
      });
    }
    const page = this.#ahead?.cursor === cursor ? this.#ahead : this.#read(epoch, cursor);
    const { scores, generation, next } = await page.stored;
    this.#ahead = next === undefined ? undefined : this.#read(epoch, next);
    return this.#fill({
      generation,
      epoch: page.epoch,
      shape,
      page: { from: cursor, next, rows: [...this.#weightsOf(scores)] },
    });
  }

  /**
   * A page that was read ahead is as good as one that is read when it is needed: the front can tell whether it is too
   * old.
   */
  #read(epoch: number, cursor: string): Page {
    const stored = this.#rows({ after: cursor, limit: LOAD_SCORES_MAX });
    // If nobody comes back for it, its rejection is nobody's.
    stored.catch(() => undefined);
    return { epoch, cursor, stored };
  }

  async #rows(page: ScoresPage): Promise<StoredScores> {
    const { store, counts } = this.#context;
    counts.loads++;
    return store.scores.load(page);
  }

  async #fill(loaded: LoadedScores): Promise<BoardProgress | 'stale' | 'unrecovered'> {
    const result: FillScoresResult = await this.#context.front.fillScores(LANE, loaded);
    switch (result.kind) {
      case 'filled':
        return result;
      case 'stale':
        return 'stale';
      case 'unrecovered':
        await this.#recover();
        return 'unrecovered';
      case 'stopped':
        throw this.#stopped(result.reason);
    }
  }

  #weightsOf(scores: StoredScores['scores']): ReadonlyMap<string, number> {
    const { settings, events } = this.#context;
    const weights = new Map<string, number>();
    for (const [member, text] of scores) {
      const score = Number(text);
      // Left out, the next addition would begin at 0 and write over it.
      if (!(Math.abs(score) <= WEIGHT_MAX))
        throw new MillraceError(
          'MILLRACE_VALUE',
          `The store has a score of "${member.slice(0, 80)}" that is no finite number within ±(2^53 - 1), so the ` +
            'leaderboard cannot be loaded: correct that row.',
          { cache: settings.name, key: member },
        );
      // Nobody can name it, so nobody can change it.
      if (member === '' || Buffer.byteLength(member) > KEY_BYTES_MAX)
        events.emit('warning', {
          message: `a row whose member is empty or has more than ${KEY_BYTES_MAX} bytes is not on the leaderboard`,
        });
      else weights.set(member, turned(settings.shape, score));
    }
    return weights;
  }

  #stopped(reason: string): MillraceError {
    return new MillraceError('MILLRACE_LANE_STOPPED', `The leaderboard cannot be read: ${reason}.`, {
      cache: this.#context.settings.name,
      lane: LANE,
    });
  }
}
