import type { EngineContext } from '../base/context.ts';
import { APPENDS_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import type { Asked, StepResult, Steps } from '../writing/steps.ts';

/** An append that was asked for. */
export interface AskedAppend extends Asked {
  /** `[order, event]` as JSON. */
  readonly entry: string;
}

/** What an event is called where a key is needed: its lane and its place there. */
export const eventName = (lane: number, seq: number): string => `#${lane}:${seq}`;

/** Appends the events that wait, one step after the other: so they stay in their order. */
export class AppendSteps implements Steps<AskedAppend> {
  readonly inFlightMax = 1;
  readonly sizeMax = APPENDS_MAX;
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  entriesOf(batch: readonly AskedAppend[]): number {
    return batch.length;
  }

  async send(
    lane: number,
    batch: readonly AskedAppend[],
    bytes: number,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<AskedAppend>> {
    const { front, settings } = this.#context;
    const result = await front.append(lane, {
      entries: batch.map(({ entry }) => entry),
      bytes,
      shape: settings.shape,
      maxEntries,
      maxBytes,
    });
    if (result.kind !== 'accepted') return result;
    const first = result.seq - batch.length + 1;
    return {
      ...result,
      places: batch.map((_, i) => ({ key: eventName(lane, first + i), seq: first + i, told: undefined })),
    };
  }
}
