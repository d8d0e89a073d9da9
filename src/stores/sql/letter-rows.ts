/** How letters stand in their table. */
import type { LetterState } from '../../core/letter.ts';
import { kindField, kindTraits, type MutationKind } from '../../core/shape.ts';
import type { DeadLetter, Mutation } from '../../ports/store.ts';
import type { Row } from './database.ts';
import type { Dialect } from './dialect.ts';

/** What one cache's statements on the letters of a schema are made of. */
export interface LetterParts {
  readonly dialect: Dialect;
  readonly cache: string;
  readonly schema: string;
}

export const letterTable = ({ dialect, schema }: LetterParts): string =>
  `${dialect.quote(schema)}.millrace_dead_letter`;

export const OPEN_STATES = `('waiting', 'dead')`;
export const FINISHED_STATES = `('stored', 'superseded', 'discarded')`;

const PLAIN = ['key', 'kind', 'state', 'value', 'code', 'message'];
const NUMBERS = ['id', 'lane', 'attempts', 'generation', 'from_seq', 'cut_seq', 'tries', 'tried_in'];
const MOMENTS = ['created_at', 'retry_at', 'superseded_at'];

/** What the letters' statements select, of columns that are named with this prefix. */
export function letterColumns({ asText, epochMs }: Dialect, prefix: string): string {
  return [
    ...PLAIN.map((column) => prefix + column),
    ...NUMBERS.map((column) => `${asText(prefix + column)} as ${column}`),
    ...MOMENTS.map((column) => `${asText(epochMs(prefix + column))} as ${column}`),
  ].join(', ');
}

export function letterOf(cache: string, row: Row): DeadLetter {
  return {
    id: row['id'] as string,
    cache,
    lane: Number(row['lane']),
    key: row['key'] as string,
    kind: row['kind'] as MutationKind,
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
  return { lane, key, json: kindTraits(kind).isDelete ? undefined : json, ...kindField(kind) };
}

/**
 * A key as the letters' table can hold it. Such keys are refused before they are acknowledged; one that comes all the
 * same must not hold up its lane.
 */
export const storable = (key: string): string => key.replace(UNSTORABLE, '\uFFFD');

const UNSTORABLE = /\0|\p{Surrogate}/gu;
