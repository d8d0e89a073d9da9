import type { IncrementResult } from '../../core/lane-deltas.ts';
import { MillraceError } from '../../errors.ts';
import type { EngineContext } from '../base/context.ts';
import { WRITES_IN_FLIGHT_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import type { Asked, Placed, StepResult, Steps } from '../writing/steps.ts';
import type { Totals } from './totals.ts';

/** A whole number: as a double where that is exact, which is what costs least. */
export type Whole = number | bigint;

/** An increment that was asked for. */
export interface AskedIncrement extends Asked {
  readonly by: Whole;
  /** Whether its total is to be told. */
  readonly isWanted: boolean;
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
export class IncrementSteps implements Steps<AskedIncrement> {
  readonly inFlightMax = WRITES_IN_FLIGHT_MAX;
  readonly sizeMax = INCREMENTS_PER_STEP_MAX;
  readonly #context: EngineContext;
  readonly #totals: Totals;

  constructor(context: EngineContext, totals: Totals) {
    this.#context = context;
    this.#totals = totals;
  }

  /** As if no key came twice. */
  entriesOf(batch: readonly AskedIncrement[]): number {
    return batch.length;
  }

  async send(
    lane: number,
    batch: readonly AskedIncrement[],
    bytes: number,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<AskedIncrement>> {
    const { front, settings } = this.#context;
    const { at, sums, wanted } = sumsOf(batch);
    const keys = [...at.keys()];
    const result = await front.increment(lane, {
      accepted: batch.length,
      keys,
      sums: sums.map(BigInt),
      wanted,
      shape: settings.shape,
      limit: settings.sumMax,
      mayExpire: settings.ttlMs !== undefined,
      bytes: Math.round((bytes * keys.length) / batch.length),
      maxEntries,
      maxBytes,
    });
    switch (result.kind) {
      case 'accepted':
        return {
          ...result,
          places: wanted.includes(true)
            ? totalsOf(batch, at, sums, result)
            : batch.map(({ key }) => ({ key, seq: result.seq, told: undefined })),
        };
      case 'unsettled':
        return this.#unsettled(lane, batch, keys, result);
      default:
        return result;
    }
  }

  /** Totals that are not known are filled first; what would leave the limit is refused by itself. */
  #unsettled(
    lane: number,
    batch: readonly AskedIncrement[],
    keys: readonly string[],
    { unknown, beyond }: Extract<IncrementResult, { kind: 'unsettled' }>,
  ): StepResult<AskedIncrement> {
    const unknownKeys = new Set(unknown.map((i) => keys[i] as string));
    const beyondKeys = new Set(beyond.map((i) => keys[i] as string));
    return {
      kind: 'again',
      // The last of each key: without it the others may fit.
      rejected: [...beyondKeys].map((key) => ({
        asked: batch.findLast((asked) => asked.key === key) as AskedIncrement,
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
      `The increment of "${key}" would take it beyond ${sumMax} (in its smallest unit): nothing was added. Counters with bigint: true go up to 9.2e18.`,
      { cache: name, key },
    );
  }
}

function sumsOf(batch: readonly AskedIncrement[]): Sums {
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

/** All increments of a step are in one generation, so they share its seq; each has a total of its own. */
function totalsOf(
  batch: readonly AskedIncrement[],
  at: Sums['at'],
  sums: readonly Whole[],
  { seq, totals }: Extract<IncrementResult, { kind: 'accepted' }>,
): Placed['places'] {
  const running = totals.map((total, i) => (total === undefined ? undefined : total - BigInt(sums[i] as Whole)));
  return batch.map(({ key, by }) => {
    const i = at.get(key) as number;
    const before = running[i];
    const total = before === undefined ? undefined : before + BigInt(by);
    running[i] = total;
    return { key, seq, told: total };
  });
}
