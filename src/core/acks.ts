/** What an acknowledgement means, weakest first. */
export type AckLevel = 'buffered' | 'fsynced' | 'replicated' | 'stored';

/**
 * Levels that a front gives by waiting, after it has taken the write. Neither includes the other: a replica may hold in
 * memory what no disk has.
 */
export type SyncLevel = 'fsynced' | 'replicated';

export const ACK_LEVELS: readonly AckLevel[] = ['buffered', 'fsynced', 'replicated', 'stored'];

export const isSyncLevel = (level: AckLevel): level is SyncLevel => level === 'fsynced' || level === 'replicated';
