import type { AckLevel } from '../../core/acks.ts';
import type { IncrementResult } from '../../core/lane-deltas.ts';
import { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import { WRITES_IN_FLIGHT_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import { Batch } from '../writing/batch.ts';
import { Caller, NUMBER_BYTES } from '../writing/caller.ts';
import type { StepResult, Steps } from '../writing/steps.ts';
import type { WriterHooks } from '../writing/writer-hooks.ts';
import type { Totals } from './totals.ts';

/** A whole number: as a double where that is exact, which is what costs least. */
export type Whole = number | bigint;

/** An increment that was asked for. */
export class IncrementCaller extends Caller {
  readonly by: Whole;
  /** Whether its total is to be told. */
  readonly isWanted: boolean;

  constructor(
    key: string,
    by: Whole,
    isWanted: boolean,
    ack: AckLevel,
    resolve: Caller['resolve'],
    reject: Caller['reject'],
  ) {
    super(key, key.length + NUMBER_BYTES, ack, resolve, reject);
    this.by = by;
    this.isWanted = isWanted;
  }
}

/** Of distinct keys, a step of one to three milliseconds. */
const INCREMENTS_PER_STEP_MAX = 500;

/** The sum of each key in a batch. */
interface Sums {
  readonly at: ReadonlyMap<string, number>;
  readonly sums: Whole[];
  readonly wanted: boolean[];
}

/** Makes one sum for each key of the increments that wait, and tells each caller the total of its own increment. */
export class IncrementSteps implements Steps<IncrementCaller> {
  readonly mayOvertake = false;
  readonly inFlightMax = WRITES_IN_FLIGHT_MAX;
  readonly sizeMax = INCREMENTS_PER_STEP_MAX;
  readonly #context: Surroundings & FrontSide;
  readonly #totals: Totals;
  readonly #hooks: WriterHooks;

  constructor(context: Surroundings & FrontSide, totals: Totals, hooks: WriterHooks) {
    this.#context = context;
    this.#totals = totals;
    this.#hooks = hooks;
  }

  newBatch(order: number): Batch<IncrementCaller> {
    return new Batch(order);
  }

  /** As if no key came twice. */
  entriesOf({ callers }: Batch<IncrementCaller>): number {
    return callers.length;
  }

  async send(
    lane: number,
    { callers, bytes }: Batch<IncrementCaller>,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<IncrementCaller>> {
    const { front, settings } = this.#context;
    const accepted = callers.length;
    const { at, sums, wanted } = sumsOf(callers);
    const keys = [...at.keys()];
    const result = await front.increment(lane, {
      accepted,
      keys,
      sums: sums.map(BigInt),
      wanted,
      shape: settings.shape,
      limit: settings.sumMax,
      mayExpire: settings.ttlMs !== undefined,
      bytes: Math.round((bytes * keys.length) / accepted),
      maxEntries,
      maxBytes,
    });
    switch (result.kind) {
      case 'accepted': {
        const { epoch, seq } = result;
        const told = wanted.includes(true) ? totalsOf(callers, at, sums, result.totals) : undefined;
        // All increments of a step are in one generation, so they share its seq; each has a total of its own.
        const answer = (caller: IncrementCaller, i: number): void =>
          caller.resolve(new PendingReceipt(this.#hooks, caller.key, lane, epoch, seq), told?.[i]);
        return { ...result, accepted, answer };
      }
      case 'full': {
        const refused = new Set(result.refused.map((i) => keys[i] as string));
        return { ...result, refused: callers.filter(({ key }) => refused.has(key)) };
      }
      case 'unsettled':
        return this.#unsettled(lane, callers, keys, result);
      default:
        return result;
    }
  }

  /** Totals that are not known are filled first; what would leave the limit is refused by itself. */
  #unsettled(
    lane: number,
    batch: readonly IncrementCaller[],
    keys: readonly string[],
    { unknown, beyond }: Extract<IncrementResult, { kind: 'unsettled' }>,
  ): StepResult<IncrementCaller> {
    const unknownKeys = new Set(unknown.map((i) => keys[i] as string));
    const beyondKeys = new Set(beyond.map((i) => keys[i] as string));
    return {
      kind: 'again',
      // The last of each key: without it the others may fit.
      rejected: [...beyondKeys].map((key) => ({
        caller: batch.findLast((caller) => caller.key === key) as IncrementCaller,
        error: this.#tooLarge(key),
      })),
      later: batch.filter(({ key, isWanted }) => isWanted && unknownKeys.has(key)),
      ready: unknownKeys.size === 0 ? Promise.resolve() : this.#totals.fill(lane, [...unknownKeys]),
    };
  }

  #tooLarge(key: string): MillraceError {
    const { name, sumMax } = this.#context.settings;
    return new MillraceError(
      'MILLRACE_VALUE',
      `The increment of "${key}" would take it beyond ${sumMax} (in its smallest unit): nothing was added. ` +
        'Counters with bigint: true go up to 9.2e18.',
      { cache: name, key },
    );
  }
}

function sumsOf(batch: readonly IncrementCaller[]): Sums {
  const at = new Map<string, number>();
  const sums: Whole[] = [];
  const wanted: boolean[] = [];
  for (const { key, by, isWanted } of batch) {
    const i = at.get(key);
    if (i === undefined) {
      at.set(key, sums.length);
      sums.push(by);
      wanted.push(isWanted);
    } else {
      sums[i] = plus(sums[i] as Whole, by);
      if (isWanted) wanted[i] = true;
    }
  }
  return { at, sums, wanted };
}

function plus(a: Whole, b: Whole): Whole {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return BigInt(a) + BigInt(b);
}

/** The total after each increment, where it was wanted. */
function totalsOf(
  batch: readonly IncrementCaller[],
  at: Sums['at'],
  sums: readonly Whole[],
  totals: readonly (bigint | undefined)[],
): readonly (bigint | undefined)[] {
  const running = totals.map((total, i) => (total === undefined ? undefined : total - BigInt(sums[i] as Whole)));
  return batch.map(({ key, by }) => {
    const i = at.get(key) as number;
    const before = running[i];
    const total = before === undefined ? undefined : before + BigInt(by);
    running[i] = total;
    return total;
  });
}
