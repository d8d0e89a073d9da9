import type { LaneHeader, Unrecovered } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import { NotSent, replyCode, unavailable } from './faults.ts';
import { decodeHeader } from './header.ts';
import type { ScriptName } from './scripts.ts';
import type { RedisServer } from './server.ts';
import type { RedisServers } from './servers.ts';

/** How often one step is sent when the answer is that it was not executed. Twice in a row is rare, more is a storm. */
const ATTEMPTS_MAX = 6;
const REDIRECTIONS: ReadonlySet<string | undefined> = new Set(['MOVED', 'ASK', 'TRYAGAIN']);

export type Reply = readonly [kind: string, ...rest: unknown[]];

interface ScriptCall {
  readonly script: ScriptName;
  /** Arguments after the header's key; made anew for each attempt, because they depend on the incarnation. */
  readonly args: (incarnation: string, slotPrefix: string) => string[];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

/**
 * The steps of one lane, in the order of their calls.
 *
 * A step that the server says it did not execute (script not loaded, another incarnation, another node) is sent again
 * by itself. Until then everything that is called later waits, and nothing is sent again before all that was sent
 * earlier is answered: otherwise a step could overtake one that was called before it.
 */
export class LaneSteps {
  /** `{tag}:`, what all keys of the lane begin with. */
  readonly prefix: string;
  readonly headerKey: string;
  readonly #servers: RedisServers;
  #incarnation = '';
  #slotPrefix: string;
  /** Where and on which connection the incarnation was seen; reads believe it on this one only. */
  #seenOn: RedisServer | undefined;
  #seenGeneration = 0;
  #inFlight = 0;
  #again: ScriptCall[] = [];
  #held: ScriptCall[] = [];
  #stale: 'scripts' | 'topology' | undefined;
  #healing = false;
  #verifying: Promise<boolean> | undefined;

  constructor(servers: RedisServers, tag: string) {
    this.#servers = servers;
    this.prefix = `{${tag}}:`;
    this.headerKey = `${this.prefix}header`;
    this.#slotPrefix = `${this.prefix}:`;
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  get slotPrefix(): string {
    return this.#slotPrefix;
  }

  get server(): RedisServer {
    return this.#servers.serverOf(this.headerKey);
  }

  /** Whether a plain GET under the known incarnation may be believed when it is sent to `server` now. */
  seenOn(server: RedisServer): boolean {
    return this.#seenOn === server && this.#seenGeneration === server.generation;
  }

  run(script: ScriptName, args: ScriptCall['args']): Promise<Reply> {
    return new Promise((resolve, reject) => this.#take({ script, args, resolve, reject, attempts: 0 }));
  }

  /**
   * Asks whether the lane is recovered in this run of its server, and learns its incarnation; one question for all of a
   * turn.
   */
  verify(): Promise<boolean> {
    this.#verifying ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#verifying = undefined;
        this.run('header', () => []).then((reply) => resolve(reply[2] === 1), reject);
      });
    });
    return this.#verifying;
  }

  refresh(): Promise<void> {
    return this.#servers.refresh(this.headerKey);
  }

  #take(step: ScriptCall): void {
    if (this.#again.length + this.#held.length > 0 || this.#healing) this.#held.push(step);
    else this.#transmit(step);
  }

  #transmit(step: ScriptCall): void {
    let server: RedisServer;
    try {
      server = this.server;
    } catch (cause) {
      this.#repeat(step, 'topology', cause);
      return;
    }
    if (server.runId === undefined) {
      this.#repeat(step, 'scripts', undefined);
      return;
    }
    const { generation } = server;
    this.#inFlight++;
    server.call(step.script, [this.headerKey, ...step.args(this.#incarnation, this.#slotPrefix)]).then(
      (reply) => {
        this.#inFlight--;
        this.#answered(step, server, generation, reply as Reply);
        this.#heal();
      },
      (error: unknown) => {
        this.#inFlight--;
        const code = replyCode(error);
        if (error instanceof NotSent || REDIRECTIONS.has(code)) this.#repeat(step, 'topology', error);
        else if (code === 'NOSCRIPT') this.#repeat(step, 'scripts', error);
        else {
          if (step.script === 'write' && code === undefined) this.#giveUpOvertaken();
          step.reject(error);
        }
        this.#heal();
      },
    );
  }

  #answered(step: ScriptCall, server: RedisServer, generation: number, reply: Reply): void {
    const header = headerOf(reply);
    if (header !== undefined && header.runId === server.runId) this.#learn(header, server, generation);
    // Known to be unrecovered: what was seen before is not to be believed any more.
    else if (header !== undefined) this.#seenOn = undefined;
    if (reply[0] === 'unrecovered' && header?.runId === server.runId && step.attempts < ATTEMPTS_MAX) {
      // Another process recovered the lane, and the step was called with what was known before.
      this.#repeat(step, undefined, undefined);
      return;
    }
    if (reply[0] === 'accepted' && this.#again.length > 0) this.#giveUpOvertaken();
    step.resolve(reply);
  }

  #learn(header: LaneHeader, server: RedisServer, generation: number): void {
    this.#seenOn = server;
    this.#seenGeneration = generation;
    if (header.incarnation === this.#incarnation) return;
    this.#incarnation = header.incarnation;
    this.#slotPrefix = `${this.prefix}${header.incarnation}:`;
  }

  #repeat(step: ScriptCall, stale: 'scripts' | 'topology' | undefined, cause: unknown): void {
    if (++step.attempts > ATTEMPTS_MAX) {
      step.reject(unavailable('the Redis server refused a step again and again; it was not executed', cause));
      return;
    }
    if (stale !== undefined && this.#stale !== 'topology') this.#stale = stale;
    this.#again.push(step);
    this.#heal();
  }

  /**
   * A later write got through, or may have (another process loaded the scripts in between): sent again, these would
   * undo it.
   */
  #giveUpOvertaken(): void {
    this.#again = this.#again.filter((step) => {
      if (step.script !== 'write') return true;
      step.reject(unavailable('a write was refused and a later one perhaps was not; it was not executed'));
      return false;
    });
  }

  #heal(): void {
    if (this.#healing || this.#inFlight > 0 || this.#again.length + this.#held.length === 0) return;
    this.#healing = true;
    const stale = this.#stale;
    this.#stale = undefined;
    this.#remedy(stale).then(
      () => this.#resume((step) => this.#take(step)),
      (error: unknown) =>
        this.#resume((step) =>
          step.reject(error instanceof NotSent ? unavailable('the Redis server left; nothing was sent', error) : error),
        ),
    );
  }

  async #remedy(stale: 'scripts' | 'topology' | undefined): Promise<void> {
    if (stale === 'topology') await this.refresh();
    if (stale === 'scripts' || (stale === 'topology' && this.server.runId === undefined)) await this.server.prepare();
  }

  #resume(each: (step: ScriptCall) => void): void {
    const steps = [...this.#again, ...this.#held];
    this.#again = [];
    this.#held = [];
    this.#healing = false;
    for (const step of steps) each(step);
  }
}

/** The header in a reply, where it has one. */
export function headerOf(reply: Reply): LaneHeader | undefined {
  const at = HEADER_AT[reply[0]];
  const flat = at === undefined ? undefined : reply[at];
  return flat === undefined ? undefined : decodeHeader(flat);
}

const HEADER_AT: Readonly<Record<string, number>> = {
  unrecovered: 1,
  header: 1,
  claimed: 2,
  requested: 1,
  cut: 1,
  empty: 1,
  done: 1,
  more: 1,
  created: 1,
  current: 1,
  behind: 1,
  confirmed: 1,
  adopted: 1,
  report: 5,
};

/** What a reply says that no script of this version gives. */
export const unexplained = (reply: Reply): MillraceError =>
  new MillraceError('MILLRACE_INTERNAL', `a script answered '${String(reply[0])}', which it never should`);

export function unrecovered(reply: Reply): Unrecovered {
  if (reply[0] !== 'unrecovered') throw unexplained(reply);
  return { kind: 'unrecovered', header: headerOf(reply) };
}

export function mustHaveHeader(reply: Reply): LaneHeader {
  const header = headerOf(reply);
  if (header === undefined) throw unexplained(reply);
  return header;
}
