import { backoffMs } from './backoff.ts';

/**
 * The breaker of a store: whether it may be asked now.
 *
 * ```
 * closed ──failed 5 times in a row, or the budget is spent──▶ open ──its time has come──▶ half-open: one probe
 *    ▲                                                       ▲  │                           │   │
 *    │                                 failed, or no answer  │  │ a late answer             │   │ answered
 *    │                                       in a minute     └──┼───────────────────────────┘   │
 *    │                                                       ▲  ▼                               │
 *    └──────────the time of the ramp is over────────────── ramp: 1, 2, 4, 8, 16 at once ◀───────┘
 *                                                           │ failed twice in a row: open
 * ```
 */
export type BreakerState = 'closed' | 'open' | 'half-open' | 'ramp';

const TRANSITIONS: Readonly<Record<BreakerState, readonly BreakerState[]>> = {
  closed: ['open'],
  open: ['half-open', 'ramp'],
  'half-open': ['open', 'ramp'],
  ramp: ['closed', 'open'],
};

/** Throws unless the chart has that arrow. */
export function transition(from: BreakerState, to: BreakerState): BreakerState {
  if (!TRANSITIONS[from].includes(to)) throw new Error(`the breaker is ${from} and cannot become ${to}`);
  return to;
}

/** Failures in a row that open a closed breaker, and one in its ramp. A single one can be a deadlock. */
export const FAILURES_TO_OPEN = 5;
export const FAILURES_TO_REOPEN = 2;
/** A probe without an answer for so long has failed; longer than a store of PostgreSQL waits for a silent server. */
export const PROBE_MS = 60_000;
/**
 * The ramp: so long on average, or `retry.maxDelay` if that is shorter; how many are let in at once doubles at each
 * step.
 */
export const RAMP_MS = 5_000;
export const RAMP_STEPS = 5;
/** The budget: attempts at once, and how many more come with each `retry.maxDelay`. */
const BUDGET_BURST = 20;
const BUDGET_PER_MAX_DELAY = 10;

/**
 * The most calls that one process begins on a store while it does not answer: within `outageMs` after the first failure
 * that the process learnt of, and before the next success. Calls that were under way at that first failure are not in
 * it.
 */
export function attemptsMax(outageMs: number, maxDelayMs: number): number {
  return BUDGET_BURST + Math.ceil((outageMs * BUDGET_PER_MAX_DELAY) / maxDelayMs);
}

/** How this process gets on with the store; all its caches on one pool share it. */
export interface BreakerStats {
  /**
   * `closed`: all is well. `open`, `half-open`: the store does not answer. `ramp`: it is back, and few calls go at
   * once.
   */
  readonly state: BreakerState;
  /** Failures in a row. */
  readonly failures: number;
  /** Until the next attempt may be made, ms; 0 when it may be made now. */
  readonly retryInMs: number;
  /** The last failure, without values; '' when a success followed it. */
  readonly reason: string;
  /** Calls of the store that were begun. */
  readonly attempts: number;
  /** Those of them that were begun although the last outcome was a failure. */
  readonly retries: number;
  /** Calls that were refused without asking the store. */
  readonly refused: number;
}

/** Time, chance and the bounds of the backoff, at one call. */
export interface Moment {
  /** Monotonic. */
  readonly nowMs: number;
  /** In [0, 1), for jitter. */
  readonly fraction: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/** A call that was let through. Its outcome counts only in the term in which it began. */
export interface BreakerCall {
  readonly term: number;
  /** Begun although the last outcome was a failure. */
  readonly isRetry: boolean;
}

/** `wait`: there will be room soon, ask again after a {@link Breaker.settle} or at {@link Breaker.nextAtMs}. */
export type Admittance =
  | { readonly kind: 'go'; readonly call: BreakerCall }
  | { readonly kind: 'wait' }
  | { readonly kind: 'refused' };

/**
 * `answered`: the store did, if only with a refusal. `failed`: it did not. `unknown`: the call ended for another
 * reason.
 */
export type CallOutcome = 'answered' | 'failed' | 'unknown';

/** Holds calls back while a store is down, lets one at a time find out whether it is back, and then more and more. */
export class Breaker {
  #state: BreakerState = 'closed';
  /** Failures in a row. */
  #failures = 0;
  /** How often it opened since it was last closed: the exponent of the backoff. */
  #openings = 0;
  /** Outcomes of calls that began in an earlier term are old news. */
  #term = 0;
  /** Open: when a probe may go. Half-open: when it is given up. */
  #untilMs = 0;
  #rampSinceMs = 0;
  #rampStepMs = 0;
  /** Calls of the ramp under way. */
  #rampCalls = 0;
  #tokens = BUDGET_BURST;
  #tokensAtMs = Number.NEGATIVE_INFINITY;

  get state(): BreakerState {
    return this.#state;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Whether a call may begin now. Every `go` must be settled. */
  admit(moment: Moment): Admittance {
    this.advance(moment);
    switch (this.#state) {
      case 'half-open':
        return { kind: 'refused' };
      case 'open':
        if (moment.nowMs < this.#untilMs) return { kind: 'refused' };
        if (!this.#spend(moment)) {
          this.#untilMs = moment.nowMs + this.#untilTokenMs(moment);
          return { kind: 'refused' };
        }
        this.#become('half-open');
        this.#untilMs = moment.nowMs + PROBE_MS;
        return { kind: 'go', call: { term: ++this.#term, isRetry: true } };
      case 'ramp':
        if (this.#rampCalls >= this.width(moment.nowMs)) return { kind: 'wait' };
        return this.#enter(moment);
      case 'closed':
        return this.#enter(moment);
    }
  }

  /** What became of a call that was let through. */
  settle({ term }: BreakerCall, outcome: CallOutcome, moment: Moment): void {
    this.advance(moment);
    if (term !== this.#term) return;
    switch (this.#state) {
      case 'half-open':
        if (outcome === 'answered') this.#ramp(moment);
        else if (outcome === 'failed') this.#probeFailed(moment);
        // Nothing was learnt: the next may go at once.
        else {
          this.#become('open');
          this.#untilMs = moment.nowMs;
        }
        return;
      case 'open':
        // The probe that was given up: better late than never.
        if (outcome === 'answered') this.#ramp(moment);
        return;
      case 'ramp':
      case 'closed':
        if (this.#state === 'ramp') this.#rampCalls--;
        if (outcome === 'answered') this.#succeeded();
        else if (
          outcome === 'failed' &&
          ++this.#failures >= (this.#state === 'ramp' ? FAILURES_TO_REOPEN : FAILURES_TO_OPEN)
        )
          this.#open(moment);
    }
  }

  /** Lets time pass: a ramp ends, a probe is given up. */
  advance(moment: Moment): void {
    if (this.#state === 'half-open' && moment.nowMs >= this.#untilMs) this.#probeFailed(moment);
    else if (this.#state === 'ramp' && moment.nowMs >= this.#rampSinceMs + RAMP_STEPS * this.#rampStepMs) {
      this.#become('closed');
      this.#openings = 0;
    }
  }

  /** How many calls there may be at once; 0 while none would be let in. */
  width(nowMs: number): number {
    switch (this.#state) {
      case 'closed':
        return Number.POSITIVE_INFINITY;
      case 'ramp':
        return 2 ** Math.floor((nowMs - this.#rampSinceMs) / this.#rampStepMs);
      case 'open':
        return nowMs >= this.#untilMs ? 1 : 0;
      case 'half-open':
        return 0;
    }
  }

  /** When time alone changes what {@link admit} answers; Infinity when it does not. */
  nextAtMs(nowMs: number): number {
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY;
    if (this.#state !== 'ramp') return this.#untilMs;
    return this.#rampSinceMs + (Math.floor((nowMs - this.#rampSinceMs) / this.#rampStepMs) + 1) * this.#rampStepMs;
  }

  /** Closed or in the ramp: a call after a failure is paid for. */
  #enter(moment: Moment): Admittance {
    const isRetry = this.#failures > 0;
    if (isRetry && !this.#spend(moment)) {
      this.#open(moment);
      return { kind: 'refused' };
    }
    if (this.#state === 'ramp') this.#rampCalls++;
    return { kind: 'go', call: { term: this.#term, isRetry } };
  }

  #open(moment: Moment): void {
    this.#become('open');
    this.#term++;
    this.#openings++;
    this.#untilMs = moment.nowMs + backoffMs(this.#openings, moment.minDelayMs, moment.maxDelayMs, moment.fraction);
  }

  /** The term goes on: if the probe is answered after all, that counts. */
  #probeFailed(moment: Moment): void {
    this.#failures++;
    this.#become('open');
    this.#openings++;
    this.#untilMs = moment.nowMs + backoffMs(this.#openings, moment.minDelayMs, moment.maxDelayMs, moment.fraction);
  }

  #ramp(moment: Moment): void {
    this.#become('ramp');
    this.#term++;
    this.#succeeded();
    this.#rampCalls = 0;
    this.#rampSinceMs = moment.nowMs;
    // Processes that found out at the same time do not keep in step.
    this.#rampStepMs = Math.ceil((Math.min(RAMP_MS, moment.maxDelayMs) / RAMP_STEPS) * (0.5 + moment.fraction));
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#tokens = Math.min(BUDGET_BURST, this.#tokens + 1);
  }

  #spend({ nowMs, maxDelayMs }: Moment): boolean {
    this.#tokens = Math.min(
      BUDGET_BURST,
      this.#tokens + ((nowMs - this.#tokensAtMs) * BUDGET_PER_MAX_DELAY) / maxDelayMs,
    );
    this.#tokensAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #untilTokenMs({ maxDelayMs }: Moment): number {
    return Math.ceil(((1 - this.#tokens) * maxDelayMs) / BUDGET_PER_MAX_DELAY);
  }

  #become(next: BreakerState): void {
    this.#state = transition(this.#state, next);
  }
}
