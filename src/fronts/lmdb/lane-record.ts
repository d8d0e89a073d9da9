import type { Key } from 'lmdb';
import type { LaneHeader } from '../../core/lane.ts';
import { keyOf, setOf } from './keys.ts';
import { NO_SHAPES, type ShapeRows } from './shape-rows.ts';
import type { Tables } from './tables.ts';

/** What a lane's row holds: its header, and which sets are its own at present. '' for one that is empty. */
export interface LaneRow extends ShapeRows {
  readonly header: LaneHeader | undefined;
  readonly slots: string;
  readonly pending: string;
  readonly flight: string;
  readonly frozen: string;
  readonly ttls: string;
  readonly ttlCount: number;
}

const NO_ROW: LaneRow = {
  header: undefined,
  slots: '',
  pending: '',
  flight: '',
  frozen: '',
  ttls: '',
  ttlCount: 0,
  ...NO_SHAPES,
};

function parseRow(text: string): LaneRow {
  const row = JSON.parse(text) as LaneRow;
  // JSON has no word for it, and a row of an earlier version lacks shapes.
  return { ...NO_ROW, ...row, header: row.header && { ...row.header, flight: row.header.flight } };
}

/** No row has this text. */
const UNKNOWN = '?';

/**
 * A lane's two rows: everything, and the little that a read needs. Read when a step first asks, and written at its end:
 * `begin` comes before it, `finish` after it.
 */
export class LaneRecord {
  readonly #tables: Tables;
  readonly #name: Key;
  readonly #currentName: Key;
  /** The lane's row as last read or written, and its text: mostly nobody else has changed it since. */
  #row: LaneRow = NO_ROW;
  #text = '';
  #isRead = false;
  #isChanged = false;
  #currentIsRead = false;
  #runId = '';
  /** The last run id and slots' set that were read, as text and taken apart. */
  #current = { text: '', runId: '', slots: '' };

  constructor(tables: Tables, cache: string, lane: number) {
    this.#tables = tables;
    this.#name = ['lane', cache, lane];
    this.#currentName = ['current', cache, lane];
  }

  begin(runId: string): void {
    this.#runId = runId;
    // A step that failed before its end left a row that is nowhere.
    if (this.#isChanged) this.#text = UNKNOWN;
    this.#isRead = false;
    this.#isChanged = false;
    this.#currentIsRead = false;
  }

  /** Writes the lane's row if the step changed it. */
  finish(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const { lanes } = this.#tables;
    this.#text = JSON.stringify(this.#row);
    void lanes.put(this.#name, this.#text);
    const current = `${this.#row.slots}${this.#row.header?.runId ?? ''}`;
    if (lanes.get(this.#currentName) !== current) void lanes.put(this.#currentName, current);
  }

  /** Whether the lane was opened in the run that `begin` named. */
  isCurrent(): boolean {
    const text = this.#tables.lanes.get(this.#currentName) ?? '';
    if (text !== this.#current.text) this.#current = { text, runId: keyOf(text), slots: setOf(text) };
    this.#currentIsRead = true;
    return this.#current.runId === this.#runId;
  }

  read(): LaneRow {
    if (!this.#isRead) {
      const text = this.#tables.lanes.get(this.#name) ?? '';
      if (text !== this.#text) {
        this.#row = text === '' ? NO_ROW : parseRow(text);
        this.#text = text;
      }
      this.#isRead = true;
    }
    return this.#row;
  }

  change(change: Partial<LaneRow>): void {
    this.#row = { ...this.read(), ...change };
    this.#isChanged = true;
  }

  /** The set of the slots, from the lane's row in a step; a mere read does without that. */
  get slots(): string {
    if (this.#isRead) return this.#row.slots;
    if (!this.#currentIsRead) this.isCurrent();
    return this.#current.slots;
  }
}
