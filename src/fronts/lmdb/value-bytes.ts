import { asBinary } from 'lmdb';

/** Longer values, in UTF-16 units, are given to the driver as text. */
const LENGTH_MAX = 16_384;
const BYTES_OF_UNIT_MAX = 3;

/**
 * The driver allocates a buffer for each text that it puts. Here all use one: a put inside a transaction has copied its
 * value when it returns. Not for puts outside of one, which are carried out later.
 */
export class ValueBytes {
  readonly #bytes = Object.assign(Buffer.allocUnsafeSlow(LENGTH_MAX * BYTES_OF_UNIT_MAX), { start: 0, end: 0 });
  /** The driver takes it for a value that has been made into bytes already, those from `start` to `end`. */
  readonly #value = asBinary(this.#bytes) as unknown as string;

  /** What is put for `text`, before anything else is. */
  of(text: string): string {
    if (text.length > LENGTH_MAX) return text;
    this.#bytes.end = this.#bytes.write(text, 0);
    return this.#value;
  }
}
