/**
 * What the front needs from a driver, and no more. `node-redis.ts` and `ioredis.ts` fulfil it; everything about
 * scripts, run ids, waiting and lanes is on this side of it and the same for all drivers.
 */
export interface Wire {
  /** Sends at once. Called only while the wire is up; the driver neither queues nor repeats. */
  send(args: readonly string[]): Promise<unknown>;
  /** A second connection to the same server, for commands that block the one they are sent on. */
  duplicate(events: WireEvents): Promise<Wire>;
  close(): void;
}

export interface WireEvents {
  /** Commands can be sent; after a `down`, on another connection than before. */
  up(): void;
  /** What was sent and not answered will never be answered. */
  down(cause: unknown): void;
  /** The wire is gone for good: the driver gave the server up, or it left the cluster. */
  ended(cause: unknown): void;
}

/** The servers behind one client: a single one, or the masters of a cluster. */
export interface Topology {
  /** Resolves when commands can be sent, rejects with the driver's error after about half a second of refusals. */
  open(): Promise<void>;
  /** Identity of the server that has the key; undefined when the driver does not know one at the moment. */
  addressOf(key: string): string | undefined;
  /** Every server that can have keys. */
  addresses(): readonly string[];
  /** Begins to connect; `events` tell how it goes. */
  wire(address: string, events: WireEvents): Wire;
  /** Finds out anew who has the key. */
  refresh(key: string): Promise<void>;
  close(): void;
}

/** How long a server may refuse connections before `open` gives up, ms. */
export const OPEN_PATIENCE_MS = 500;

/** Wait before the `attempt`th reconnection (from 1), ms: a refused connection is cheap, a storm of them is not. */
export function reconnectDelayMs(attempt: number): number {
  return Math.min(1_000, 25 * 2 ** Math.min(attempt, 10)) * (0.75 + Math.random() / 2);
}

/** Gives up early as long as the server was never reached, and never afterwards. */
export class Patience {
  readonly #sinceMs = performance.now();
  #reached = false;

  reached(): void {
    this.#reached = true;
  }

  /** Wait before the next attempt in ms, or undefined to give up. */
  delayMs(attempt: number): number | undefined {
    if (this.#reached) return reconnectDelayMs(attempt);
    return performance.now() - this.#sinceMs > OPEN_PATIENCE_MS ? undefined : 100;
  }
}
