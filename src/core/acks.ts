/** What an acknowledgement means, weakest first. */
export type AckLevel = 'buffered' | 'fsynced' | 'replicated' | 'stored';

export const ACK_LEVELS: readonly AckLevel[] = ['buffered', 'fsynced', 'replicated', 'stored'];
