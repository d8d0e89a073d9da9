import { enter, invalidated, type LaneEnv, type LaneTable, type Unrecovered, unrecovered } from './lane.ts';
import { fillSlot, intentSlot, readSlot, refreshSlot } from './slot.ts';

/** Per key: the slot as it is now, or undefined when the step did what it was asked. */
export type SlotsResult = { readonly kind: 'slots'; readonly slots: readonly (string | undefined)[] } | Unrecovered;
export type SlotsDone = { readonly kind: 'done' } | Unrecovered;

/** Puts a fill token into each empty slot. A slot that is not empty is returned and left alone. */
export function beginFill(
  table: LaneTable,
  env: LaneEnv,
  keys: readonly string[],
  token: string,
  tokenMs: number,
): SlotsResult {
  if (enter(table, env) === undefined) return unrecovered(table);
  const slots = keys.map((key) => {
    const raw = table.readSlot(key);
    if (raw === undefined) table.writeSlot(key, fillSlot(token), table.nowMs + tokenMs);
    return raw;
  });
  return { kind: 'slots', slots };
}

/**
 * Puts a refresh token before each value that is clean and expires; the expiry stays. A slot that is anything
 * else is returned and left alone.
 */
export function beginRefresh(table: LaneTable, env: LaneEnv, keys: readonly string[], token: string): SlotsResult {
  if (enter(table, env) === undefined) return unrecovered(table);
  const slots = keys.map((key) => {
    const raw = table.readSlot(key);
    const expiresAtMs = table.readExpiry(key);
    const slot = readSlot(raw);
    // Without an expiry it is dirty (or lives for ever): its token could hide a value from a flush.
    if (slot.kind !== 'value' || expiresAtMs === undefined) return raw ?? '';
    table.writeSlot(key, refreshSlot(token, slot.json), expiresAtMs);
    return undefined;
  });
  return { kind: 'slots', slots };
}

/**
 * Puts what was loaded into each slot that still has the token (of a fill or a refresh); `undefined` empties it.
 * A slot that was written meanwhile is returned and left alone ('' when it is empty).
 */
export function endFill(
  table: LaneTable,
  env: LaneEnv,
  keys: readonly string[],
  token: string,
  loaded: readonly (string | undefined)[],
  ttlMs: number | undefined,
): SlotsResult {
  if (enter(table, env) === undefined) return unrecovered(table);
  const slots = keys.map((key, i) => {
    const raw = table.readSlot(key);
    const slot = readSlot(raw);
    if ((slot.kind !== 'filling' && slot.kind !== 'refreshing') || slot.token !== token) return raw ?? '';
    const json = loaded[i];
    if (json === undefined) table.removeSlot(key);
    else table.writeSlot(key, json, ttlMs === undefined ? undefined : table.nowMs + ttlMs);
    return undefined;
  });
  return { kind: 'slots', slots };
}

/**
 * Registers a write-through writer in each slot: whatever was there is hidden, and fills are refused, until it
 * finishes.
 */
export function beginIntent(
  table: LaneTable,
  env: LaneEnv,
  keys: readonly string[],
  token: string,
  intentMs: number,
): SlotsDone {
  if (enter(table, env) === undefined) return unrecovered(table);
  for (const key of keys) {
    const slot = readSlot(table.readSlot(key));
    const next = slot.kind === 'intent' ? intentSlot([...slot.tokens, token], true) : intentSlot([token], false);
    table.writeSlot(key, next, table.nowMs + intentMs);
  }
  return { kind: 'done' };
}

/**
 * Ends a write-through writer. If it was alone all the time its value is published; otherwise the last writer
 * leaves the slot empty, because the order of their commits is not known. `committed[i]` undefined (a delete, or an
 * outcome that is not known) leaves the slot empty. A writer whose intent ran out empties whatever took its place.
 */
export function finishIntent(
  table: LaneTable,
  env: LaneEnv,
  keys: readonly string[],
  token: string,
  committed: readonly (string | undefined)[],
  ttlMs: readonly (number | undefined)[],
): SlotsDone {
  if (enter(table, env) === undefined) return unrecovered(table);
  keys.forEach((key, i) => {
    const slot = readSlot(table.readSlot(key));
    if (slot.kind === 'empty') return;
    if (slot.kind !== 'intent') {
      table.removeSlot(key);
      return;
    }
    const others = slot.tokens.filter((other) => other !== token);
    const json = committed[i];
    if (others.length > 0) {
      table.writeSlot(key, intentSlot(others, true), table.readExpiry(key));
    } else if (slot.contended || json === undefined) {
      table.removeSlot(key);
    } else {
      const ttl = ttlMs[i];
      table.writeSlot(key, json, ttl === undefined ? undefined : table.nowMs + ttl);
    }
  });
  return { kind: 'done' };
}

/**
 * Empties each slot that is not dirty, whatever it holds; a fill, a refresh or a load of totals under way comes to
 * nothing.
 */
export function invalidate(table: LaneTable, env: LaneEnv, keys: readonly string[]): SlotsDone {
  const header = enter(table, env);
  if (header === undefined) return unrecovered(table);
  for (const key of keys) if (!table.hasPending(key) && !table.hasFlight(key)) table.removeSlot(key);
  const next = invalidated(header);
  if (next !== header) table.writeHeader(next);
  return { kind: 'done' };
}
