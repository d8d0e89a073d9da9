import { turned, WEIGHT_MAX, type FillScoresResult, type LoadedScores, type ScoreQuery, type ScoreRows } from '../core/lane-scores.ts';
import type { BoardLoad, Doubt } from '../core/score-table.ts';
import { MillraceError } from '../errors.ts';
import type { StoredScores } from '../ports/store.ts';
import type { EngineContext } from './context.ts';
import { KEY_BYTES_MAX, LOAD_SCORES_MAX } from './settings.ts';

/** Loads in a row that came too late. Each means that a generation was stored meanwhile, so a few are rare. */
const STALE_MAX = 50;
const STALE_PAUSE_MS = 2;
const LANE = 0;

/** Where the loading of a board stands. */
type Progress = BoardLoad & { readonly doubts: readonly Doubt[] };

/**
 * Reads a leaderboard, and loads it where the front does not have it: page by page, each put in by the front where nothing newer
 * is (see `fillScores` in `core/lane-scores.ts`). Several processes may load it at once: each goes on where the board is.
 */
export class Board {
  readonly #context: EngineContext;
  readonly #recover: () => Promise<void>;
  #loading: Promise<void> | undefined;

  constructor(context: EngineContext, recover: () => Promise<void>) {
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

  /** Resolves when the board is loaded. Rejects when that fails, or takes longer than one waits for it; the loading goes on. */
  async ready(): Promise<void> {
    const { clock, settings } = this.#context;
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    // Whoever waits hears of it; when nobody waits any more, nobody does.
    this.#loading.catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      const late = new MillraceError('MILLRACE_TIMEOUT', `The leaderboard was not loaded from the store within ${settings.loadWaitMs} ms (option loadWait). The loading goes on.`, { cache: settings.name });
      const timer = clock.after(settings.loadWaitMs, () => reject(late), true);
      (this.#loading as Promise<void>).then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** What the board answers when it is recovered. */
  async #ask(query: ScoreQuery): Promise<ScoreRows | ({ readonly kind: 'unloaded' } & Progress)> {
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
      if (result === 'stale') {
        stale++;
        if (stale >= STALE_MAX) throw new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'The leaderboard was flushed again and again while it was loaded; try again.', { cache: settings.name });
        if (stale > 2) await new Promise<void>((resolve) => clock.after(STALE_PAUSE_MS * stale, resolve, true));
        continue;
      }
      stale = 0;
      at = result === 'unrecovered' ? await this.#progress() : result.complete && result.doubts.length === 0 ? undefined : result;
    }
  }

  /** Undefined when the board is loaded. */
  async #progress(): Promise<Progress | undefined> {
    const result = await this.#ask({ kind: 'range', from: 0, count: 0 });
    return result.kind === 'rows' ? undefined : result;
  }

  /** Loads the next page, or what is in doubt once there are no more. */
  async #loadNext({ complete, cursor, doubts }: Progress): Promise<Progress | 'stale' | 'unrecovered'> {
    const { front, store, counts, settings } = this.#context;
    if (store.loadScores === undefined) throw new MillraceError('MILLRACE_INTERNAL', 'The store of a leaderboard has no scores.', { cache: settings.name });
    // What begins another epoch from now on makes the load stale.
    const { header, current } = await front.header(LANE);
    if (!current || header === undefined) return this.#recovered();
    const { epoch } = header;
    counts.loads++;
    if (complete) {
      const { generation, weights } = this.#weightsOf(await store.loadScores({ members: doubts.map(([member]) => member) }));
      return this.#fill({ generation, epoch, shape: settings.shape, doubts: doubts.map(([member, token]) => ({ member, token, weight: weights.get(member) })) });
    }
    const stored = await store.loadScores({ after: cursor, limit: LOAD_SCORES_MAX });
    const { generation, weights } = this.#weightsOf(stored);
    return this.#fill({ generation, epoch, shape: settings.shape, page: { from: cursor, next: stored.next, rows: [...weights] } });
  }

  async #fill(loaded: LoadedScores): Promise<Progress | 'stale' | 'unrecovered'> {
    const result: FillScoresResult = await this.#context.front.fillScores(LANE, loaded);
    switch (result.kind) {
      case 'filled':
        return result;
      case 'stale':
        return 'stale';
      case 'unrecovered':
        return this.#recovered();
      case 'stopped':
        throw this.#stopped(result.reason);
    }
  }

  async #recovered(): Promise<'unrecovered'> {
    await this.#recover();
    return 'unrecovered';
  }

  #weightsOf({ scores, generation }: StoredScores): { readonly generation: number; readonly weights: ReadonlyMap<string, number> } {
    const { settings, events } = this.#context;
    const weights = new Map<string, number>();
    for (const [member, text] of scores) {
      const score = Number(text);
      // Left out, the next addition would begin at 0 and write over it.
      if (!(Math.abs(score) <= WEIGHT_MAX)) throw new MillraceError('MILLRACE_VALUE', `The store has a score of "${member.slice(0, 80)}" that is no finite number within ±(2^53 - 1), so the leaderboard cannot be loaded: correct that row.`, { cache: settings.name, key: member });
      // Nobody can name it, so nobody can change it.
      if (member === '' || Buffer.byteLength(member) > KEY_BYTES_MAX) events.emit('warning', { message: `a row whose member is empty or has more than ${KEY_BYTES_MAX} bytes is not on the leaderboard` });
      else weights.set(member, turned(settings.shape, score));
    }
    return { generation, weights };
  }

  #stopped(reason: string): MillraceError {
    return new MillraceError('MILLRACE_LANE_STOPPED', `The leaderboard cannot be read: ${reason}.`, { cache: this.#context.settings.name, lane: LANE });
  }
}
