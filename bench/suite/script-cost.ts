import type { Client } from './stage.ts';

/**
 * Weighs script calls: asks Redis before and after each how much of the processor its main thread has used, in one
 * transaction, so that nothing else comes between. `slowlog` tells wall time, in which whatever else the machine was
 * doing meanwhile is a long call.
 */
export class ScriptScale {
  /** A client whose duplicates are weighed. */
  readonly client: Client;
  /** What weighing costs is then not part of what else is measured. */
  isOff = false;
  /** µs of the processor that each call took, by the script's digest. */
  readonly us = new Map<string, number[]>();

  constructor(client: Client) {
    this.client = this.#wrap(client);
  }

  /** The longest call, µs. */
  get longestUs(): number {
    return Math.max(0, ...[...this.us.values()].map((all) => all.reduce((longest, us) => Math.max(longest, us), 0)));
  }

  #wrap(client: Client): Client {
    return new Proxy(client, {
      get: (target, name) => {
        if (name === 'duplicate')
          return (...args: Parameters<Client['duplicate']>) =>
            this.#wrap(target.duplicate(...args) as unknown as Client);
        if (name === 'sendCommand')
          return (args: readonly string[]) =>
            args[0] === 'EVALSHA' && !this.isOff ? this.#weigh(target, args) : target.sendCommand([...args]);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async #weigh(client: Client, args: readonly string[]): Promise<unknown> {
    const commands = [['MULTI'], ['INFO', 'cpu'], [...args], ['INFO', 'cpu'], ['EXEC']];
    const replies = await Promise.all(commands.map((command) => client.sendCommand(command)));
    const [before, reply, after] = replies[4] as unknown as readonly [string, unknown, string];
    if (reply instanceof Error) throw reply;
    const digest = args[1] as string;
    const us = mainThreadUs(after) - mainThreadUs(before);
    const known = this.us.get(digest);
    if (known === undefined) this.us.set(digest, [us]);
    else known.push(us);
    return reply;
  }
}

function mainThreadUs(info: string): number {
  return ['user', 'sys'].reduce(
    (sum, name) => sum + Number(new RegExp(`used_cpu_${name}_main_thread:([0-9.]+)`).exec(info)?.[1]) * 1e6,
    0,
  );
}
