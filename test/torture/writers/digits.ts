import { now } from '../ledger.ts';
import type { MemberSpec } from '../member-spec.ts';

/** How long all members add to the same key, ms: each once. */
const SHARED_MS = 40;

/** A key, and a power of 4 that nobody else adds to it. */
export interface Place {
  readonly key: string;
  readonly digit: number;
}

/** Gives places with powers below `digits`: on keys of the member's own, and on those that all members share. */
export function digitPlaces(spec: MemberSpec, digits: number): () => Place {
  let added = 0;
  let lastShared = '';
  return () => {
    const shared = `shared-${Math.floor(now() / SHARED_MS)}`;
    if (shared !== lastShared && spec.index < digits) {
      lastShared = shared;
      return { key: shared, digit: spec.index };
    }
    const nth = added++;
    return { key: `own-${spec.name}-${Math.floor(nth / digits)}`, digit: nth % digits };
  };
}
