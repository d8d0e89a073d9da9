import {
  Breaker,
  type BreakerCall,
  type BreakerState,
  type BreakerStats,
  type CallOutcome,
  type Moment,
} from '../../core/breaker.ts';
import { type Deferred, defer } from '../../core/deferred.ts';
import { isMillraceError, MillraceError } from '../../errors.ts';
import type { BreakerEvent } from '../../events.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { RetrySettings } from './settings.ts';

/** A cache that uses the store. */
export interface BreakerMember {
  readonly retry: RetrySettings;
  /** When it opens, when the store is back, and when all is well again; not at every probe. */
  announce(event: BreakerEvent): void;
  /** There may be room that there was not, or the store is back. */
  onRoom(state: BreakerState): void;
}

/** A call was refused because the store is known to be down: no attempt was made. */
export class StoreHeldBack extends MillraceError {}

/** By what fails together (a pool), then by clock: a process has one breaker per store. */
const breakers = new WeakMap<object, WeakMap<Clock, StoreBreaker>>();

/**
 * The breaker of a store, shared by all caches of the process that use it. While it is open, calls are refused at
 * once; in its ramp they wait their turn.
 */
export class StoreBreaker {
  readonly #breaker = new Breaker();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #members = new Set<BreakerMember>();
  /** The shortest of the members' bounds are everybody's. */
  #minDelayMs = 0;
  #maxDelayMs = 0;
  /** Who waits for room in the ramp, first come first served. */
  #waiting: Deferred<BreakerCall>[] = [];
  #timer: Timer | undefined;
  #seen: BreakerState = 'closed';
  #announced: BreakerEvent['state'] = 'closed';
  /** When that was announced. */
  #announcedAtMs = 0;
  /** Kept until the next success. */
  #lastFailure: unknown;
  #attempts = 0;
  #retries = 0;
  #refused = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  static of(origin: object, clock: Clock, random: Random): StoreBreaker {
    let byClock = breakers.get(origin);
    if (byClock === undefined) breakers.set(origin, (byClock = new WeakMap()));
    let breaker = byClock.get(clock);
    if (breaker === undefined) byClock.set(clock, (breaker = new StoreBreaker(clock, random)));
    return breaker;
  }

  join(member: BreakerMember): void {
    this.#members.add(member);
    this.#setBounds();
  }

  leave(member: BreakerMember): void {
    this.#members.delete(member);
    if (this.#members.size > 0) this.#setBounds();
    else this.#timer?.cancel();
  }

  /** How many calls may be under way at once, 0 while the store is held to be down. */
  get width(): number {
    return this.#breaker.width(this.#clock.monotonic());
  }

  /** Monotonic ms at which time alone makes more room; Infinity when it does not. */
  get nextAtMs(): number {
    return this.#breaker.nextAtMs(this.#clock.monotonic());
  }

  get stats(): BreakerStats {
    const { state, failures } = this.#breaker;
    const retryInMs = this.width > 0 ? 0 : Math.max(0, Math.ceil(this.nextAtMs - this.#clock.monotonic()));
    return {
      state,
      failures,
      retryInMs,
      reason: reasonOf(this.#lastFailure),
      attempts: this.#attempts,
      retries: this.#retries,
      refused: this.#refused,
    };
  }

  /** How long the store has been held to be down; 0 when it is not. */
  get downForMs(): number {
    return this.#announced === 'open' ? this.#clock.monotonic() - this.#announcedAtMs : 0;
  }

  /** Throws what {@link run} would reject with now, for who would otherwise prepare a call in vain. */
  check(): void {
    if (this.width === 0) throw this.#refusal();
  }

  /** Calls the store, or rejects with {@link StoreHeldBack}. `outcomeOf` says what a rejection tells of the store. */
  async run<T>(call: () => Promise<T>, outcomeOf: (error: unknown) => CallOutcome): Promise<T> {
    const admitted = await this.#admit();
    let result: T;
    try {
      result = await call();
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === 'failed') this.#lastFailure = error;
      this.#settle(admitted, outcome);
      throw error;
    }
    this.#settle(admitted, 'answered');
    return result;
  }

  async #admit(): Promise<BreakerCall> {
    const turn = defer<BreakerCall>();
    this.#waiting.push(turn);
    this.#callNext();
    return turn.promise;
  }

  #settle(call: BreakerCall, outcome: CallOutcome): void {
    this.#breaker.settle(call, outcome, this.#moment());
    if (this.#breaker.failures === 0) this.#lastFailure = undefined;
    this.#look();
    this.#callNext();
  }

  /** Lets in, or refuses, who waits, as far as it can be said now. */
  #callNext(): void {
    for (let turn = this.#waiting[0]; turn !== undefined; turn = this.#waiting[0]) {
      const admittance = this.#breaker.admit(this.#moment());
      if (admittance.kind === 'wait') break;
      this.#waiting.shift();
      if (admittance.kind === 'refused') turn.reject(this.#refusal());
      else {
        this.#attempts++;
        if (admittance.call.isRetry) this.#retries++;
        turn.resolve(admittance.call);
      }
    }
    this.#look();
  }

  /** Tells of what has changed, and sees to it that what time will change is noticed. */
  #look(): void {
    const { state } = this.#breaker;
    if (state === this.#seen) return;
    this.#seen = state;
    this.#setTimer();
    this.#announce();
    for (const member of this.#members) member.onRoom(state);
  }

  #announce(): void {
    const { state, failures, retryInMs, reason } = this.stats;
    if (state === 'half-open' || state === this.#announced) return;
    this.#announced = state;
    this.#announcedAtMs = this.#clock.monotonic();
    for (const member of this.#members) member.announce({ state, failures, retryInMs, reason });
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    // Who waits for an open breaker has a timer of his own.
    if (this.#seen === 'closed' || this.#seen === 'open') return;
    this.#timer = this.#clock.after(Math.max(1, this.nextAtMs - this.#clock.monotonic()), () => {
      this.#breaker.advance(this.#moment());
      if (this.#breaker.state === this.#seen) {
        this.#setTimer();
        for (const member of this.#members) member.onRoom(this.#seen);
      }
      this.#look();
      this.#callNext();
    });
  }

  #refusal(): StoreHeldBack {
    this.#refused++;
    const { state, reason, retryInMs } = this.stats;
    const when = state === 'half-open' ? 'an attempt is under way' : `the next attempt may be made in ${retryInMs} ms`;
    return new StoreHeldBack(
      'MILLRACE_STORE_UNAVAILABLE',
      `The store is down and was not asked; ${when}. Its last failure: ${reason}`,
      { cause: this.#lastFailure },
    );
  }

  #setBounds(): void {
    const bounds = [...this.#members].map(({ retry }) => retry);
    this.#minDelayMs = Math.min(...bounds.map(({ minDelayMs }) => minDelayMs));
    this.#maxDelayMs = Math.min(...bounds.map(({ maxDelayMs }) => maxDelayMs));
  }

  #moment(): Moment {
    return {
      nowMs: this.#clock.monotonic(),
      fraction: this.#random.fraction(),
      minDelayMs: this.#minDelayMs,
      maxDelayMs: this.#maxDelayMs,
    };
  }
}

/** What the store's adapter says of its failure. What others threw can hold anything. */
function reasonOf(failure: unknown): string {
  if (failure === undefined) return '';
  return isMillraceError(failure) ? failure.message : 'it failed for a reason that Millrace does not know';
}
