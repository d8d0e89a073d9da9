import type { BreakerState } from '../core/breaker.ts';
import { MillraceError } from '../errors.ts';
import type { Emitter } from '../events.ts';
import type { Clock } from '../ports/clock.ts';
import type { Front } from '../ports/front.ts';
import type { Random } from '../ports/random.ts';
import type { AttachedStore, Store } from '../ports/store.ts';
import { type BreakerMember, StoreBreaker } from './base/breaker.ts';
import type { EngineContext } from './base/context.ts';
import { newCounts } from './base/counts.ts';
import { guardedStore, outcomeOf } from './base/guarded-store.ts';
import { SendTurns } from './base/send-turns.ts';
import type { Settings } from './base/settings.ts';

/** What an engine is made of; everything that moves comes in from outside. */
export interface EngineParts {
  readonly settings: Settings;
  readonly front: Front;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter;
  /** Begins without flushing, and without taking lanes, until `Engine.resume`. */
  readonly paused: boolean;
}

/** What front and store tell of themselves while they are attached. */
export interface AttachHooks {
  /** The front's connection is back: its lanes may not be as they were. */
  reconnected(): void;
  /** The breaker lets more through than before. */
  storeHasRoom(state: BreakerState): void;
}

/**
 * Attaches the store, behind its breaker, and then the front. What was attached is let go of when the other one fails.
 */
export async function attach(
  { settings, front, store, clock, random, events }: EngineParts,
  hooks: AttachHooks,
): Promise<EngineContext> {
  const { name: cache, lanes, shape } = settings;
  const writeBehind = settings.policy === 'write-behind';
  const onWarning = (message: string): void => events.emit('warning', { message });
  const breaker = StoreBreaker.of(store.origin ?? store, clock, random);
  const member: BreakerMember = {
    retry: settings.retry,
    announce: (change) => events.emit('breaker', change),
    onRoom: (state) => hooks.storeHasRoom(state),
  };
  breaker.join(member);
  const leaveBreaker = (): void => breaker.leave(member);
  const attached = await breaker
    .run(() => store.attach({ cache, lanes, shape, clock, writeBehind, onWarning }), outcomeOf)
    .catch((error: unknown) => {
      leaveBreaker();
      throw error;
    });
  const guarded = guardedStore(attached, breaker, leaveBreaker);
  try {
    refuseFaking(settings, store, guarded);
    const acks = writeBehind ? [settings.ack] : [];
    const laneFront = await front.attach({
      cache,
      lanes,
      shape,
      acks,
      clock,
      random,
      writeBehind,
      onReconnect: () => hooks.reconnected(),
      onWarning,
    });
    return {
      settings,
      front: laneFront,
      store: guarded,
      breaker,
      frontIsShared: front.capabilities.shared,
      frontIsDurable: front.capabilities.durable,
      clock,
      random,
      events,
      counts: newCounts(),
      sendTurns: new SendTurns(clock, front.capabilities.shared),
      owner: random.token(),
    };
  } catch (error) {
    await guarded.close();
    throw error;
  }
}

/** A store without fences is treated as one without transactions, so one that claims to have both must have them. */
function refuseFaking({ name }: Settings, { kind, capabilities }: Store, { lanes }: AttachedStore): void {
  if (lanes === undefined) return;
  const missing = [
    ...(capabilities.transactions && lanes.fences === undefined ? ['fences'] : []),
    ...(capabilities.deadLetters && lanes.deadLetters === undefined ? ['dead letters'] : []),
  ];
  if (missing.length > 0)
    throw new MillraceError('MILLRACE_INTERNAL', `The ${kind} store declares what it lacks: ${missing.join(', ')}.`, {
      cache: name,
    });
}
