/** Chance as an argument, so that a run can be replayed from its seed. */
export interface Random {
  /** A number in [0, 1), for jitter. */
  fraction(): number;
  /** A name nobody else has, 22 characters of [A-Za-z0-9_-] (about 128 bits). */
  token(): string;
}
