import type { LetterState } from '../../core/letter.ts';
import type { DeadLetter, Mutation } from '../../ports/store.ts';
import type { Row } from './database.ts';

/** What the letters' statements select, of a table `d`. */
export const LETTER = `d.id::text as id, d.lane::text as lane, d.key, d.kind, d.state, d.value, d.code, d.message, d.attempts::text as attempts, d.generation::text as generation, d.from_seq::text as from_seq, d.cut_seq::text as cut_seq, d.tries::text as tries, d.tried_in::text as tried_in,
  ${milliseconds('created_at')}, ${milliseconds('retry_at')}, ${milliseconds('superseded_at')}`;

function milliseconds(column: string): string {
  return `floor(extract(epoch from d.${column}) * 1000)::text as ${column}`;
}

export function letterOf(cache: string, row: Row): DeadLetter {
  return {
    id: row['id'] as string,
    cache,
    lane: Number(row['lane']),
    key: row['key'] as string,
    kind: row['kind'] as DeadLetter['kind'],
    state: row['state'] as LetterState,
    json: row['value'] ?? undefined,
    code: row['code'] as string,
    message: row['message'] as string,
    attempts: Number(row['attempts']),
    tries: Number(row['tries']),
    triedIn: typeof row['tried_in'] === 'string' ? Number(row['tried_in']) : undefined,
    retryAt: dateOf(row['retry_at']),
    supersededAt: dateOf(row['superseded_at']),
    generation: Number(row['generation']),
    fromSeq: Number(row['from_seq']),
    cutSeq: Number(row['cut_seq']),
    createdAt: new Date(Number(row['created_at'])),
  };
}

const dateOf = (ms: string | null | undefined): Date | undefined =>
  typeof ms === 'string' ? new Date(Number(ms)) : undefined;

export function mutationOf({ lane, key, kind, json }: DeadLetter): Mutation {
  if (kind === 'delta' || kind === 'append') return { lane, key, json, kind };
  return { lane, key, json: kind === 'delete' ? undefined : json };
}

/** A key as the letters' table can hold it. Such keys are refused before they are acknowledged; one that comes all the same must not hold up its lane. */
export const storable = (key: string): string => key.replace(UNSTORABLE, '\uFFFD');

const UNSTORABLE = /\0|\p{Surrogate}/gu;
