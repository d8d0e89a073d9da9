import type { MillraceError } from '../../errors.ts';
import type { EngineContext, FrontSide, Surroundings } from '../base/context.ts';
import type { GenerationPages } from '../flushing/generation-pages.ts';
import type { Admission } from '../lanes/admission.ts';
import type { Watermark } from '../lanes/watermark.ts';
import type { WriterHooks } from '../writing/writer-hooks.ts';

/**
 * What makes a cache one of documents, counters, events or scores: a facade gives the engine the plug of its shape, and
 * the engine knows nothing else of shapes. `W` is what the facade calls.
 */
export interface ShapePlug<W extends Ways> {
  /** How its generations are read. */
  pages(context: Surroundings & FrontSide): GenerationPages;
  /** Its ways in and out, once front and store are attached. */
  open(parts: PlugParts): W;
}

/** The ways of a shape in and out of an attached cache; what each shape adds is what its facade calls. */
export interface Ways {
  /** Resolves when every mutation that was asked for has been answered. */
  idle(): Promise<void>;
  /** Resolves when every mutation has been answered, or waits for room. */
  sent(): Promise<void>;
  /** Turns away whoever waits for room, and whoever comes to. */
  turnAway(error: MillraceError): void;
}

/** What the ways of a shape are made of. */
export interface PlugParts {
  readonly context: EngineContext;
  readonly watermarks: readonly Watermark[];
  readonly admission: Admission;
  readonly hooks: WriterHooks;
}
