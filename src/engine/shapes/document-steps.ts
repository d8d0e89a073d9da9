import type { FrontSide, Surroundings } from '../base/context.ts';
import { WRITE_KEYS_MAX, WRITES_IN_FLIGHT_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import { answerWhenStored } from '../writing/lane-queue.ts';
import type { StepResult, Steps } from '../writing/steps.ts';
import type { WriterHooks } from '../writing/writer-hooks.ts';
import { DocumentBatch, type DocumentCaller } from './document-batch.ts';

/**
 * Sends writes of documents, two steps at once: batches that have to be repeated know which of their keys were written
 * since.
 */
export class DocumentSteps implements Steps<DocumentCaller> {
  readonly mayOvertake = true;
  readonly inFlightMax = WRITES_IN_FLIGHT_MAX;
  readonly sizeMax: number;
  readonly #context: Surroundings & FrontSide;
  readonly #hooks: WriterHooks;

  constructor(context: Surroundings & FrontSide, hooks: WriterHooks) {
    this.#context = context;
    this.#hooks = hooks;
    // A batch larger than the whole buffer could never be accepted.
    this.sizeMax = Math.min(WRITE_KEYS_MAX, context.settings.backpressure.maxEntries);
  }

  newBatch(order: number): DocumentBatch {
    return new DocumentBatch(order);
  }

  entriesOf({ keys }: DocumentBatch): number {
    return keys.length;
  }

  async send(
    lane: number,
    batch: DocumentBatch,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<DocumentCaller>> {
    const { callers, keys, slots, ttls, isThrough } = batch;
    const accepted = callers.length;
    const result = await this.#context.front.write(lane, { accepted, keys, slots, ttls, maxEntries, maxBytes });
    if (result.kind === 'full') {
      const refused = new Set(result.refused.map((i) => keys[i] as string));
      return { ...result, refused: callers.filter(({ key }) => refused.has(key)) };
    }
    if (result.kind !== 'accepted') return result;
    const { epoch, seq } = result;
    const firstSeq = seq - accepted + 1;
    const answer = (caller: DocumentCaller, i: number): void => {
      const receipt = new PendingReceipt(this.#hooks, caller.key, lane, epoch, firstSeq + i);
      if (isThrough) answerWhenStored(caller, receipt);
      else caller.resolve(receipt);
    };
    return { ...result, accepted, answer };
  }
}
