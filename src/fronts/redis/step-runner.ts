import { bytesOf, entriesOf, type Full, type Unrecovered } from '../../core/lane.ts';
import type { SlotsResult } from '../../core/lane-slots.ts';
import { MillraceError } from '../../errors.ts';
import { replyCode, unavailable, withoutCommand } from './faults.ts';
import { headerOf, type LaneSteps, type Reply } from './lane-steps.ts';
import type { ScriptName } from './scripts.ts';
import { slotsFound } from './slot-steps.ts';

/** What a step is given, of the lane's incarnation and of what its slots' names begin with. */
type Args = (incarnation: string, slots: string) => string[];

/** A step over the slots of keys. */
interface SlotsStep {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  /** What each slot is said to have where the server has no memory. */
  readonly outOfMemory: string;
  readonly args: Args;
}

/**
 * Runs the steps of one cache's lanes, until it is closed. A refusal of the server that is not an answer becomes a
 * `MillraceError`.
 */
export class StepRunner {
  readonly #cache: string;
  readonly #lanes: readonly LaneSteps[];
  #isClosed = false;

  constructor(cache: string, lanes: readonly LaneSteps[]) {
    this.#cache = cache;
    this.#lanes = lanes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
  }

  get lanes(): number {
    return this.#lanes.length;
  }

  of(lane: number): LaneSteps {
    this.checkOpen();
    return this.#lanes[lane] as LaneSteps;
  }

  checkOpen(): void {
    if (this.#isClosed) throw this.closedError();
  }

  closedError(): MillraceError {
    return new MillraceError('MILLRACE_CLOSED', 'the cache is closed', { cache: this.#cache });
  }

  async run(lane: number, script: ScriptName, args: Args): Promise<Reply> {
    try {
      return await this.of(lane).run(script, args);
    } catch (error) {
      throw this.fault(lane, error);
    }
  }

  /** A step that takes `count` mutations or keys in; a server without memory is a full buffer, which refuses all. */
  async accept(lane: number, script: ScriptName, count: number, args: Args): Promise<Reply | Full | Unrecovered> {
    try {
      return await this.of(lane).run(script, args);
    } catch (error) {
      if (replyCode(error) === 'OOM') return this.#outOfMemory(lane, count);
      throw this.fault(lane, error);
    }
  }

  /** A step over slots; each is `outOfMemory` where the server has no memory. */
  async slots(lane: number, { script, outOfMemory, keys, args }: SlotsStep): Promise<SlotsResult> {
    try {
      return slotsFound(await this.of(lane).run(script, args));
    } catch (error) {
      if (replyCode(error) !== 'OOM') throw this.fault(lane, error);
      return { kind: 'slots', slots: keys.map(() => outOfMemory) };
    }
  }

  fault(lane: number, error: unknown): unknown {
    if (error instanceof MillraceError) return error;
    const code = replyCode(error);
    const context = { cache: this.#cache, lane, cause: withoutCommand(error) };
    if (code === 'NOPERM' || code === 'NOAUTH') {
      return new MillraceError(
        'MILLRACE_FRONT_SETTINGS',
        `the Redis user may not do what Millrace needs (${code}); the ACL must allow its scripts, keys and commands`,
        context,
      );
    }
    // WRONGTYPE and ERR: somebody else wrote into the lane's keys, or a defect. Neither passes by itself.
    if (code === 'WRONGTYPE' || code === 'ERR')
      return new MillraceError('MILLRACE_INTERNAL', `a step was refused by the Redis server (${code})`, context);
    return unavailable('the Redis server refused a step; it was not executed', error);
  }

  /** The server has no memory left: full, whatever the limits say, until something expires or is evicted. */
  async #outOfMemory(lane: number, count: number): Promise<Full | Unrecovered> {
    const header = headerOf(await this.run(lane, 'header', () => []));
    if (header === undefined) return { kind: 'unrecovered', header };
    const refused = Array.from({ length: count }, (_, i) => i);
    return { kind: 'full', entries: entriesOf(header), bytes: bytesOf(header), refused, outOfMemory: true };
  }
}
