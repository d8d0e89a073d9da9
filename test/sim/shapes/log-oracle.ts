import type { AppendBatch } from '../../../src/core/lane-log.ts';
import { eventName } from '../../../src/engine/shapes/appends.ts';
import type { DeadLetter, Mutation } from '../../../src/ports/store.ts';
import type { Pos } from '../oracle/executed.ts';
import type { SimTable } from '../sim-table.ts';
import type { Entry } from './entries.ts';
import { ShapeOracle } from './shape-oracle.ts';

/** Whether the store refuses the event. */
export const isPoison = (json: string): boolean => json.includes('poison');

/** The event of an entry `[order key, event]`. */
const eventIn = (json: string): string => json.slice(json.indexOf(',') + 1, -1);

/** Adds the next event of a lane: rows are named by the lane and their place in it. */
export function addRow(rows: Map<string, string>, lane: number, json: string): void {
  const n = [...rows.keys()].filter((key) => key.startsWith(`${lane}/`)).length;
  rows.set(`${lane}/${n}`, json);
}

/** Knows every event that the front executed: each is stored once, in the order of its lane. */
export class LogOracle extends ShapeOracle {
  /** Events that were asked for: whose turn they are, and in which order. */
  readonly #asked = new Map<string, { readonly turn: string; readonly order: number }>();
  readonly #executed = new Set<string>();
  /** The last of each turn that was executed, with its order key. */
  readonly #last = new Map<string, { readonly order: number; readonly orderKey: number }>();

  asked(process: string, lane: number, event: string): void {
    this.#asked.set(event, { turn: `${process} in lane ${lane}`, order: this.#asked.size });
  }

  override appended(lane: number, { entries }: AppendBatch, epoch: number, seq: number, isLate: boolean): void {
    entries.forEach((json, i) => {
      const own = seq - entries.length + 1 + i;
      this.#checkOrder(json, isLate);
      this.history.executed({
        lane,
        key: eventName(lane, own),
        json,
        epoch,
        fromSeq: own,
        seq: own,
        fate: 'pending',
        wasDead: false,
      });
    });
  }

  #checkOrder(json: string, isLate: boolean): void {
    const event = eventIn(json);
    const orderKey = Number(json.slice(1, json.indexOf(',')));
    if (this.#executed.has(event)) this.findings.fail(3, `the event ${event} was executed twice`);
    this.#executed.add(event);
    const asked = this.#asked.get(event);
    if (asked === undefined) return this.findings.fail(3, `nobody appended ${event}`);
    if (isLate) return;
    const last = this.#last.get(asked.turn);
    if (last !== undefined && (asked.order <= last.order || orderKey <= last.orderKey))
      this.findings.fail(3, `the event ${event} of ${asked.turn} was executed after a later one`);
    this.#last.set(asked.turn, { order: asked.order, orderKey });
  }

  /** An append was acknowledged with this place in its lane: it is the event's own. */
  checkPlace(process: string, place: Pos & { readonly key: string }, event: string): void {
    const entry = this.history.find(place, place.key);
    if (entry === undefined || eventIn(entry.json) !== event)
      this.findings.fail(3, `${process} was given ${place.key} for ${event}, where ${entry?.json} is`);
  }

  protected store(lane: number, taken: readonly Entry[]): void {
    for (const entry of taken) {
      if (isPoison(entry.json)) {
        entry.fate = 'refused';
        this.refusals++;
        continue;
      }
      entry.fate = 'stored';
      addRow(this.rows, lane, entry.json);
    }
  }

  protected storeLate({ lane, key, json }: DeadLetter, entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.json !== json) this.findings.fail(3, `the letter of ${key} has ${json}, and not ${entry.json}`);
      addRow(this.rows, lane, entry.json);
    }
  }

  checkBatches(batches: readonly (readonly Mutation[])[]): void {
    for (const { key, kind } of batches.flat())
      if (kind !== 'append') this.findings.fail(3, `${key} is in a flush of a log, and is no event`);
  }

  protected laneOfRow(key: string): number {
    return Number(key.split('/')[0]);
  }

  protected entriesIn(table: SimTable): number {
    return table.shapes.log.pending.length;
  }

  protected checkLane(lane: number, table: SimTable): void {
    if (table.slots.size > 0) this.findings.fail(7, `lane ${lane} of a log keeps values`);
  }
}
