import { MillraceError } from '../../errors.ts';
import type { Topology, Wire } from './connection.ts';
import { NotSent, replyCode, unavailable } from './faults.ts';
import { type BoundScript, bindScripts, type ScriptName } from './scripts.ts';

interface Sent {
  /** The watchdog's tick at which it was given to us. */
  readonly tick: number;
  reject(error: unknown): void;
}

interface Waiting extends Sent {
  transmit(): void;
}

/**
 * One server, and what is known of the run it is in. Commands wait here, and not in the driver, while the connection
 * is down: what the driver was given is on its way and is never given to it again.
 */
export class RedisServer {
  readonly address: string;
  /** Changes with each connection: what was learned on an earlier one is to be checked again. */
  generation = 0;
  /** The run that the scripts are bound to; undefined until {@link prepare}. */
  runId: string | undefined;
  ended = false;

  readonly #commandTicks: number;
  readonly #wire: Wire;
  readonly #topology: Topology;
  readonly #onUp: (first: boolean) => void;
  readonly #sent = new Set<Sent>();
  #waiting: Waiting[] = [];
  #up = false;
  #tick = 0;
  #scripts: ReadonlyMap<ScriptName, BoundScript> | undefined;
  #preparing: Promise<void> | undefined;
  readonly #sides = new Map<string, Promise<RedisServer>>();
  readonly #sidesOpened = new Set<RedisServer>();

  constructor(
    topology: Topology,
    address: string,
    commandTicks: number,
    onUp: (first: boolean) => void,
    wire?: (server: RedisServer) => Wire,
  ) {
    this.address = address;
    this.#topology = topology;
    this.#commandTicks = commandTicks;
    this.#onUp = onUp;
    this.#wire = wire === undefined ? topology.wire(address, this.events) : wire(this);
  }

  /** Sends a command, when the connection is up. Rejects with the server's own error, or MILLRACE_FRONT_UNAVAILABLE. */
  send(args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#up) {
        this.#transmit(args, resolve, reject);
        return;
      }
      if (this.ended) {
        reject(new NotSent('the server left'));
        return;
      }
      this.#waiting.push({ tick: this.#tick, reject, transmit: () => this.#transmit(args, resolve, reject) });
    });
  }

  #transmit(args: readonly string[], resolve: (reply: unknown) => void, reject: (error: unknown) => void): void {
    const sent: Sent = { tick: this.#tick, reject };
    this.#sent.add(sent);
    this.#wire.send(args).then(
      (reply) => {
        this.#sent.delete(sent);
        resolve(reply);
      },
      (error: unknown) => {
        this.#sent.delete(sent);
        reject(replyCode(error) === undefined ? lost(error) : error);
      },
    );
  }

  /** Calls a script that {@link prepare} has loaded; rejects with NOSCRIPT when that was for another run. */
  call(name: ScriptName, keyAndArgs: readonly string[]): Promise<unknown> {
    return this.send(['EVALSHA', this.sha(name), '1', ...keyAndArgs]);
  }

  /** Names a script that {@link prepare} has loaded into this run, whatever connection it is called on. */
  sha(name: ScriptName): string {
    const script = this.#scripts?.get(name) as BoundScript;
    return script.sha;
  }

  /** Learns which run the server is in and loads the scripts for it, once for all who ask at the same time. */
  prepare(): Promise<void> {
    this.#preparing ??= this.#prepare().finally(() => (this.#preparing = undefined));
    return this.#preparing;
  }

  async #prepare(): Promise<void> {
    const info = String(await this.send(['INFO', 'server']));
    const runId = /^run_id:([0-9a-f]+)\r?$/m.exec(info)?.[1];
    if (runId === undefined)
      throw new MillraceError(
        'MILLRACE_FRONT_SETTINGS',
        'the Redis server does not tell its run_id: ' +
          'Millrace needs Redis 7.0 or Valkey 7.2, and the permission for INFO',
      );
    const scripts = bindScripts(runId);
    await Promise.all([...scripts.values()].map(({ text }) => this.send(['SCRIPT', 'LOAD', text])));
    this.runId = runId;
    this.#scripts = scripts;
  }

  /** The same server over a connection of its own for each purpose, for what would block this one. */
  async side(purpose: string): Promise<RedisServer> {
    const known = this.#sides.get(purpose);
    if (known !== undefined && !(await known).ended) return known;
    const side = this.#openSide();
    this.#sides.set(purpose, side);
    side.catch(() => this.#sides.delete(purpose));
    return side;
  }

  async #openSide(): Promise<RedisServer> {
    const second: { wire?: Wire } = {};
    const side = new RedisServer(
      this.#topology,
      this.address,
      this.#commandTicks,
      () => undefined,
      () => ({
        send: (args) => (second.wire as Wire).send(args),
        duplicate: () => Promise.reject(new Error('not a connection to duplicate')),
        close: () => second.wire?.close(),
      }),
    );
    second.wire = await this.#wire.duplicate(side.events);
    this.#sidesOpened.add(side);
    return side;
  }

  up(): void {
    this.generation++;
    this.#up = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#onUp(this.generation === 1);
    for (const command of waiting) command.transmit();
  }

  down(cause: unknown): void {
    this.#up = false;
    const sent = [...this.#sent];
    this.#sent.clear();
    for (const command of sent) command.reject(lost(cause));
  }

  end(cause: unknown): void {
    this.ended = true;
    this.down(cause);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const command of waiting) command.reject(new NotSent('the server left', { cause }));
  }

  /** The events of the wire name it `ended`; here that is a state. */
  readonly events = {
    up: () => this.up(),
    down: (cause: unknown) => this.down(cause),
    ended: (cause: unknown) => this.end(cause),
  };

  /** One watchdog for all commands instead of a timer for each, which would cost more than the command. */
  watch(): void {
    for (const side of this.#sidesOpened) {
      if (side.ended) this.#sidesOpened.delete(side);
      else side.watch();
    }
    this.#tick++;
    const stuck = ({ tick }: Sent) => this.#tick - tick > this.#commandTicks;
    for (const sent of this.#sent) {
      if (!stuck(sent)) break;
      this.#sent.delete(sent);
      sent.reject(unavailable('the Redis server did not answer in time; the outcome is not known'));
    }
    while (this.#waiting[0] !== undefined && stuck(this.#waiting[0])) {
      this.#waiting.shift()?.reject(unavailable('the Redis server could not be reached in time; nothing was sent'));
    }
  }

  close(): void {
    this.end(undefined);
    this.#wire.close();
    for (const side of this.#sides.values())
      void side.then(
        (opened) => opened.close(),
        () => undefined,
      );
  }
}

const lost = (cause: unknown): MillraceError =>
  unavailable('the connection to the Redis server was lost; the outcome is not known', cause);
