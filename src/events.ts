import { isMillraceError, MillraceError } from './errors.ts';

/**
 * What a cache reports through `cache.on(name, listener)`. A listener that throws is reported as `error`, and stops
 * nothing.
 */
export interface CacheEvents {
  /** A flush was committed. */
  flush: FlushEvent;
  /** A flush failed and will be tried again after `retryInMs`. */
  'flush-failed': {
    /** Lanes whose generations were in it. */
    readonly lanes: readonly number[];
    /** What went wrong. */
    readonly error: MillraceError;
    /** Failures in a row, this one included: 1 for the first. */
    readonly attempt: number;
    /** How long the lanes wait before they try again, ms. */
    readonly retryInMs: number;
  };
  /** The store does not answer and is not asked (`open`), is back (`ramp`), or has been well for a while (`closed`). */
  breaker: BreakerEvent;
  /** A row was refused by the store, has no attempts left, and is kept as a dead letter. */
  'dead-letter': {
    /** Lane of the key. */
    readonly lane: number;
    /** Key of the row. */
    readonly key: string;
    /** The store's code for the refusal, an SQLSTATE where there is one. */
    readonly code: string;
    /** The store's reason, without the row's values. */
    readonly message: string;
  };
  /** Acknowledged writes are gone. `count` is what is known of; `cause` names how it was found out. */
  loss: {
    /** Lane of the writes. */
    readonly lane: number;
    /** Writes that are known to be gone; there may be more. */
    readonly count: number;
    /** How it was found out. */
    readonly cause: LossCause;
  };
  /** A lane was brought in line with the store after a take-over or a restart of the front. */
  recovered: {
    /** The lane. */
    readonly lane: number;
    /** Its new epoch. */
    readonly epoch: number;
    /**
     * `created`: neither front nor store had it. `current`: both agree. `behind`: the front lacked what the store has.
     */
    readonly outcome: 'created' | 'current' | 'behind';
    /** Entries that the front let go of because the store has them. */
    readonly dropped: number;
  };
  /**
   * A lane does not flush. With MILLRACE_LANE_STOPPED it takes no writes either. It is looked at again after
   * `retry.maxDelay`, and at once with `resume()`.
   */
  stopped: {
    /** The lane. */
    readonly lane: number;
    /** Why, and what to do. */
    readonly error: MillraceError;
  };
  /** The cache was closed: what `close` reports. */
  closed: {
    /** Rows that this process stored while it closed. */
    readonly stored: number;
    /** Entries that stay in the front, for the next process that flushes. */
    readonly remaining: number;
    /** Rows that were refused while it closed; each has a letter. */
    readonly dead: number;
  };
  /** A setting or a situation that weakens a promise; the message says what to do. */
  warning: {
    /** What is so, what it means, and what to do. */
    readonly message: string;
  };
  /** A fault in the background that has no other event. */
  error: {
    /** What went wrong. */
    readonly error: MillraceError;
  };
}

/** A flush that was committed: one transaction of the store. */
export interface FlushEvent {
  /** Lanes whose generations were in it. */
  readonly lanes: readonly number[];
  /** Rows written or deleted. */
  readonly rows: number;
  /** Statements that wrote them. */
  readonly statements: number;
  /** Rows that were refused and have no attempts left: dead letters. */
  readonly dead: number;
  /** Rows that were refused and are tried again. */
  readonly waiting: number;
  /** From its beginning to its commit, ms. */
  readonly durationMs: number;
  /** Age of the oldest mutation in it when it was committed. */
  readonly lagMs: number;
}

/** A change of the store's breaker, as this process knows it. */
export interface BreakerEvent {
  /** What it is now. */
  readonly state: 'open' | 'ramp' | 'closed';
  /** Failures in a row. */
  readonly failures: number;
  /** Until the store is asked again, ms; 0 when it may be asked now. */
  readonly retryInMs: number;
  /** The last failure, without values; '' when the store has answered since. */
  readonly reason: string;
}

/**
 * `front-lost-tail`: the front came back without its last writes. `front-emptied`: it came back empty.
 * `value-removed`: the value of a pending key was removed behind the lane's back.
 * `store-rolled-back`: the store was restored to an earlier state, and an operator decided to go on from there.
 */
export type LossCause = 'front-lost-tail' | 'front-emptied' | 'value-removed' | 'store-rolled-back';

/** Name of an event. */
export type CacheEventName = keyof CacheEvents;
/** Takes the events of one name. It is called in the middle of the work: what takes long belongs elsewhere. */
export type CacheListener<N extends CacheEventName> = (event: CacheEvents[N]) => void;

/** Calls listeners one after the other. What one throws is emitted as `error`, and does not reach the engine. */
export class Emitter {
  readonly #listeners = new Map<CacheEventName, Set<(event: never) => void>>();

  on<N extends CacheEventName>(name: N, listener: CacheListener<N>): void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()));
    listeners.add(listener);
  }

  off<N extends CacheEventName>(name: N, listener: CacheListener<N>): void {
    this.#listeners.get(name)?.delete(listener);
  }

  emit<N extends CacheEventName>(name: N, event: CacheEvents[N]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of listeners) {
      try {
        (listener as CacheListener<N>)(event);
      } catch (cause) {
        // A listener's fault must not stop a flush. An `error` listener that throws has had its say.
        if (name !== 'error')
          this.emit('error', {
            error: isMillraceError(cause)
              ? cause
              : new MillraceError('MILLRACE_INTERNAL', `A listener of '${name}' threw.`, { cause }),
          });
      }
    }
  }
}
