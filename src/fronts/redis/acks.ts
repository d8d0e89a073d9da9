import type { SyncLevel } from '../../core/acks.ts';
import { MillraceError } from '../../errors.ts';
import { replyCode, unavailable } from './faults.ts';
import type { RedisServer } from './server.ts';

export interface AckSettings {
  /** Replicas that must confirm what is `replicated`. */
  readonly replicas: number;
  /** How long a confirmation is waited for. */
  readonly timeoutMs: number;
}

/** How a server gives `fsynced`: WAITAOF tells when it did, `always` does so before each reply. */
type FsyncMethod = { readonly kind: 'waitaof' | 'always' } | { readonly kind: 'none'; readonly why: string };

/** Gives `fsynced` and `replicated` on the servers of a front. */
export class Acks {
  readonly #settings: AckSettings;
  readonly #methods = new WeakMap<RedisServer, { readonly runId: string | undefined; readonly method: FsyncMethod }>();
  readonly #groups = new WeakMap<RedisServer, Readonly<Record<SyncLevel, SyncGroup>>>();

  constructor(settings: AckSettings) {
    this.#settings = settings;
  }

  /** Why the server cannot give `level` at the moment, or undefined. */
  async refusal(server: RedisServer, level: SyncLevel): Promise<string | undefined> {
    if (level === 'fsynced') {
      const method = await this.#method(server);
      return method.kind === 'none' ? method.why : undefined;
    }
    const online = replicasOnline(String(await server.send(['INFO', 'replication'])));
    const { replicas } = this.#settings;
    if (online < replicas)
      return `${online} of ${replicas} replicas are connected: add replicas, or set \`replicas\` of redisFront`;
    const refused = await refusedCommand(server, ['WAIT', '0', '1']);
    return refused && `its user may not run WAIT (${refused})`;
  }

  /**
   * Resolves when all that `server` acknowledged before the call is durable at `level`; rejects with MILLRACE_ACK, or
   * with what the server or its connection rejected with. Calls that come while one is under way share the next.
   */
  sync(server: RedisServer, level: SyncLevel, markKey: string): Promise<void> {
    let groups = this.#groups.get(server);
    if (groups === undefined) {
      groups = {
        fsynced: new SyncGroup((key) => this.#fsynced(server, key)),
        replicated: new SyncGroup((key) => this.#replicated(server, key)),
      };
      this.#groups.set(server, groups);
    }
    return groups[level].sync(markKey);
  }

  /** Found out once for each run of a server; a setting that can be put right is looked at again. */
  async #method(server: RedisServer): Promise<FsyncMethod> {
    const known = this.#methods.get(server);
    if (known !== undefined && known.runId === server.runId) return known.method;
    const method = await fsyncMethod(server);
    if (method.kind !== 'none') this.#methods.set(server, { runId: server.runId, method });
    return method;
  }

  async #fsynced(server: RedisServer, markKey: string): Promise<void> {
    const method = await this.#method(server);
    if (method.kind === 'none') throw new MillraceError('MILLRACE_ACK', method.why);
    if (method.kind === 'always') {
      await marked(server, 'fsynced', (side, mark) => this.#alwaysSynced(side, [...mark, markKey]));
      return;
    }
    const [local] = (await this.#waited(server, 'fsynced', markKey, ['WAITAOF', '1', '0'])) as readonly [
      number,
      number,
    ];
    if (!(local >= 1))
      throw new MillraceError(
        'MILLRACE_ACK',
        `its append-only file was not synced within ${this.#settings.timeoutMs} ms`,
      );
  }

  /**
   * In one transaction, so that the setting is that of the moment in which the mark was written: what `always` covers
   * is the whole file, and so everything before the mark.
   */
  async #alwaysSynced(side: RedisServer, mark: readonly string[]): Promise<void> {
    const sent = [['MULTI'], ['CONFIG', 'GET', ...ALWAYS_SETTINGS], mark, ['EXEC']].map((args) => side.send(args));
    // The one that rejects first tells why; the others reject with it.
    const [config, done] = (await Promise.all(sent))[3] as readonly unknown[];
    if (done instanceof Error) throw done;
    const why = notAlways(settingsOf(config));
    if (why !== undefined) throw new MillraceError('MILLRACE_ACK', why);
  }

  async #replicated(server: RedisServer, markKey: string): Promise<void> {
    const { replicas, timeoutMs } = this.#settings;
    const confirmed = Number(await this.#waited(server, 'replicated', markKey, ['WAIT', String(replicas)]));
    if (!(confirmed >= replicas))
      throw new MillraceError(
        'MILLRACE_ACK',
        `${confirmed} of ${replicas} replicas confirmed it within ${timeoutMs} ms`,
      );
  }

  /** The answer of a command that waits, on the connection that wrote the mark just before. */
  #waited(server: RedisServer, level: SyncLevel, markKey: string, command: readonly string[]): Promise<unknown> {
    return marked(server, level, async (side, mark) => {
      const [, reply] = await Promise.all([
        side.send([...mark, markKey]),
        side.send([...command, String(this.#settings.timeoutMs)]),
      ]);
      return reply;
    });
  }
}

/** Confirmations of one level on one server: one is under way, and one more waits for all who came since. */
class SyncGroup {
  readonly #confirm: (markKey: string) => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(confirm: (markKey: string) => Promise<void>) {
    this.#confirm = confirm;
  }

  sync(markKey: string): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#run(markKey);
    this.#next = this.#running.then(
      () => this.#run(markKey),
      () => this.#run(markKey),
    );
    return this.#next;
  }

  #run(markKey: string): Promise<void> {
    this.#next = undefined;
    const running = this.#confirm(markKey).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

/**
 * Runs `work` with a connection of the level's own, because waiting blocks the connection that it is sent on, and with
 * the call that writes the mark. The mark is a script of the very run that `server` is in: a second connection that
 * ended at another server, or at another run, is found out.
 */
async function marked<T>(
  server: RedisServer,
  level: SyncLevel,
  work: (side: RedisServer, mark: readonly string[]) => Promise<T>,
): Promise<T> {
  const side = await server.side(level);
  const attempt = () => work(side, ['EVALSHA', server.sha('mark'), '1']);
  try {
    return await attempt();
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT' && replyCode(error) !== 'EXECABORT') throw error;
  }
  await server.prepare();
  try {
    return await attempt();
  } catch (error) {
    throw replyCode(error) === 'NOSCRIPT'
      ? unavailable('another Redis server answers on a second connection', error)
      : error;
  }
}

const ALWAYS_SETTINGS = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite'] as const;

async function fsyncMethod(server: RedisServer): Promise<FsyncMethod> {
  if (!/^aof_enabled:1\r?$/m.test(String(await server.send(['INFO', 'persistence'])))) {
    return {
      kind: 'none',
      why:
        "its append-only file is off: set 'appendonly yes', " +
        "and 'appendfsync always' or a version with WAITAOF (7.2)",
    };
  }
  // The one thing that no later change of a setting makes untrue. Waits for nobody.
  if ((await refusedCommand(server, ['WAITAOF', '0', '0', '1'])) === undefined) return { kind: 'waitaof' };
  try {
    const why = notAlways(settingsOf(await server.send(['CONFIG', 'GET', ...ALWAYS_SETTINGS])));
    return why === undefined ? { kind: 'always' } : { kind: 'none', why };
  } catch (error) {
    // Managed servers forbid CONFIG.
    if (replyCode(error) === undefined) throw error;
    return {
      kind: 'none',
      why: "it does not tell whether 'appendfsync' is 'always' (allow CONFIG GET), and it has no WAITAOF (7.2)",
    };
  }
}

/** The code with which the server refuses a command, or undefined. */
async function refusedCommand(server: RedisServer, args: readonly string[]): Promise<string | undefined> {
  try {
    await server.send(args);
    return undefined;
  } catch (error) {
    const code = replyCode(error);
    if (code === undefined) throw error;
    return code;
  }
}

function notAlways(settings: ReadonlyMap<string, string>): string | undefined {
  if (settings.get('appendonly') !== 'yes') return "its append-only file is off: set 'appendonly yes'";
  if (settings.get('appendfsync') !== 'always')
    return "'appendfsync' is not 'always', and it has no WAITAOF (7.2): set 'appendfsync always'";
  if (settings.get('no-appendfsync-on-rewrite') === 'yes')
    return "'no-appendfsync-on-rewrite' is 'yes', so it does not sync while a child process writes: set it to 'no'";
  return undefined;
}

/** A map in RESP3 where the driver makes one of it, name and value in turn otherwise. */
export function settingsOf(reply: unknown): ReadonlyMap<string, string> {
  if (reply instanceof Map) return new Map([...reply].map(([name, value]) => [String(name), String(value)]));
  if (!Array.isArray(reply)) return new Map(Object.entries((reply ?? {}) as Record<string, string>));
  const settings = new Map<string, string>();
  for (let i = 0; i + 1 < reply.length; i += 2) settings.set(String(reply[i]), String(reply[i + 1]));
  return settings;
}

/** Replicas that receive what is written, from `INFO replication`. */
function replicasOnline(info: string): number {
  return /^role:master\r?$/m.test(info) ? (info.match(/^slave\d+:.*state=online/gm) ?? []).length : 0;
}

/**
 * Major and minor as one number: 7.0 is 7.00, 7.2 is 7.02. Valkey states the Redis version that it is compatible with.
 */
export function versionOf(info: string): number {
  const match = /^redis_version:(\d+)\.(\d+)/m.exec(info);
  return match === null ? 0 : Number(match[1]) + Number(match[2]) / 100;
}
