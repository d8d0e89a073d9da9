import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Server } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { Proxy } from '../support/proxy.ts';
import { MemberProcess } from './member-process.ts';
import type { MemberSpec } from './member-spec.ts';
import type { Plan } from './plan.ts';
import { RedisNode } from './redis-node.ts';
import type { Scene } from './scene.ts';
import type { SubjectSpec } from './subject.ts';

const run = promisify(execFile);
/**
 * Beside the documents: counters, scores, and events in a table without any key. `at`: in which order rows were
 * inserted.
 */
const SHAPES = [
  'create table {{schema}}.counts (key text primary key, count bigint not null check (count >= 0))',
  'create table {{schema}}.scores (member text primary key, score double precision not null check (score >= 0))',
  'create sequence {{schema}}.event_at',
  `create table {{schema}}.events (
    event jsonb not null check (event ->> 'bad' is null),
    o bigint not null,
    at bigint not null default nextval('{{schema}}.event_at')
  )`,
];
const OWN_KEYS = 20;
const SHARED_KEYS = Array.from({ length: 10 }, (_, k) => `shared-${k}`);
const COMMAND_LIMIT_MS = 1_000;
/** A sync each second is confirmed a second later. */
const WAITAOF_LIMIT_MS = 2_000;
const REPLICA_LIMIT_MS = 10_000;
/** About thirty writes and what is read beside them. */
const LOAD_BYTES = 10_000;
const LOAD_LIMIT_MS = 3_000;

/** What outlives a cycle. */
export interface Ground {
  /** The built `member.ts`. */
  readonly program: string;
  readonly postgres: Server;
  readonly subject: SubjectSpec['subject'];
}

/** The servers and processes of one cycle, and what can be done to them. */
export class Arena implements Scene, AsyncDisposable {
  readonly leaseMs: number;
  readonly members: MemberProcess[] = [];
  readonly table: AuditedTable;
  readonly #plan: Plan;
  readonly #ground: Ground;
  readonly #folder: string;
  /** What has to be undone at the end, last first. */
  readonly #undo: (() => PromiseLike<unknown>)[] = [];
  #redis: RedisNode | undefined;
  #redisProxy: Proxy | undefined;
  #postgresProxy: Proxy | undefined;
  #replica: { readonly node: RedisNode; readonly link: Proxy } | undefined;
  #starts = 0;
  #ledgerBytes = 0;

  private constructor(plan: Plan, ground: Ground, folder: string, table: AuditedTable) {
    this.#plan = plan;
    this.#ground = ground;
    this.#folder = folder;
    this.table = this.#use(table);
    this.leaseMs = plan.settings.leaseMs;
  }

  static async open(plan: Plan, ground: Ground, folder: string): Promise<Arena> {
    const arena = new Arena(plan, ground, folder, await AuditedTable.onPostgres(ground.postgres.url));
    try {
      for (const statement of SHAPES) await arena.table.query(statement);
      await arena.#startServers();
      return arena;
    } catch (error) {
      await arena[Symbol.asyncDispose]();
      throw error;
    }
  }

  #use<T extends AsyncDisposable>(resource: T): T {
    this.#undo.unshift(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  async #startServers(): Promise<void> {
    const { kind } = this.#plan;
    if (kind.front.kind === 'redis') this.#redis = this.#use(await this.#startNode(kind.front.args));
    else {
      await mkdir(this.disk);
      if (kind.front.diskMiB !== undefined) await this.#mount(kind.front.diskMiB);
    }
    if (kind.proxied) {
      this.#postgresProxy = this.#use(await Proxy.to(this.#ground.postgres.port));
      this.#redisProxy = this.#use(await Proxy.to(this.redis.server.port));
    }
    if (kind.front.kind === 'redis' && kind.front.replica) await this.#startReplica(kind.front.args);
  }

  #startNode(args: readonly string[]): Promise<RedisNode> {
    return RedisNode.start(args, this.#waitaof);
  }

  get #waitaof(): boolean {
    const { front } = this.#plan.kind;
    return front.kind === 'redis' && front.waitaof === true;
  }

  /** A disk that is full soon. */
  async #mount(mebibytes: number): Promise<void> {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.disk]);
    this.#undo.unshift(() => run('umount', ['--lazy', this.disk]));
  }

  async #startReplica(args: readonly string[]): Promise<void> {
    const link = this.#use(await Proxy.to(this.redis.server.port));
    const node = this.#use(
      await this.#startNode([...args, '--replicaof', '127.0.0.1', `${link.port}`, '--repl-diskless-sync-delay', '0']),
    );
    const until = performance.now() + REPLICA_LIMIT_MS;
    while (!String(await node.command('INFO', 'replication')).includes('master_link_status:up')) {
      if (performance.now() > until) throw new Error('the replica did not reach its primary');
      await this.pause(20);
    }
    this.#replica = { node, link };
  }

  get redis(): RedisNode {
    return this.#redis!;
  }

  get replica(): { readonly node: RedisNode; readonly link: Proxy } {
    return this.#replica!;
  }

  get proxies(): readonly Proxy[] {
    return [this.#redisProxy!, this.#postgresProxy!];
  }

  get disk(): string {
    return join(this.#folder, 'lmdb');
  }

  /** Resolves when the members have done something since the last call: what happens next happens under load. */
  async underLoad(): Promise<void> {
    const until = performance.now() + LOAD_LIMIT_MS;
    const goal = this.#ledgerBytes + LOAD_BYTES;
    while (performance.now() < until && this.#sumLedgers() < goal) await this.pause(10);
    this.#ledgerBytes = this.#sumLedgers();
  }

  #sumLedgers(): number {
    const ledgers = readdirSync(this.#folder).filter((file) => file.endsWith('.ledger'));
    return ledgers.reduce((sum, file) => sum + statSync(join(this.#folder, file)).size, 0);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Starts writers and workers; resolves when they are in the game. */
  async startMembers(): Promise<void> {
    const { writers, workers, writersFlush } = this.#plan;
    for (let i = 0; i < writers; i++) this.members.push(this.#start('writer', `w${i}`, writersFlush));
    for (let i = 0; i < workers; i++) this.members.push(this.#start('worker', `f${i}`, true));
    await Promise.all(this.members.map((member) => member.ready));
  }

  async replace(member: MemberProcess): Promise<void> {
    await member.kill9();
    const { name, role, flushes } = member.spec;
    this.members[this.members.indexOf(member)] = this.#start(role, name.split('.')[0]!, flushes);
  }

  /** A process that nothing has happened to. */
  drainer(): MemberProcess {
    return this.#start('drainer', 'drainer', true);
  }

  #start(role: MemberSpec['role'], slot: string, flushes: boolean): MemberProcess {
    const { policy, client, settings, writers, seed, kind } = this.#plan;
    const start = this.#starts++;
    const name = `${slot}.${start}`;
    const keysOf = (owner: string): string[] => Array.from({ length: OWN_KEYS }, (_, k) => `own-${owner}-${k}`);
    const through = (proxy: Proxy | undefined, url: string): string => proxy?.of(url) ?? url;
    return new MemberProcess(this.#ground.program, {
      ...settings,
      policy,
      name,
      role,
      flushes,
      subject: this.#ground.subject,
      front:
        kind.front.kind === 'lmdb'
          ? { kind: 'lmdb', at: this.disk }
          : {
              kind: client,
              at: through(this.#redisProxy, this.redis.server.url),
              commandTimeoutMs: this.#waitaof ? WAITAOF_LIMIT_MS : COMMAND_LIMIT_MS,
            },
      postgres: through(this.#postgresProxy, this.#ground.postgres.url),
      schema: this.table.schema,
      seed: seed * 1_000 + start,
      index: start,
      ledger: join(this.#folder, `${name}.ledger`),
      levels: kind.levels,
      loses: kind.loses === true,
      ownKeys: role === 'drainer' ? Array.from({ length: writers }, (_, i) => keysOf(`w${i}`)).flat() : keysOf(slot),
      sharedKeys: SHARED_KEYS,
    });
  }

  async crashRedis(
    downMs: number,
    meanwhile: (folder: string) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { server } = this.redis;
    await server.kill9();
    await meanwhile(server.dir);
    await this.pause(downMs);
    await server.restart();
  }

  async crashPostgres(downMs: number): Promise<void> {
    await this.#ground.postgres.kill9();
    await this.pause(downMs);
    await this.#ground.postgres.restart();
  }

  async promoteReplica(): Promise<void> {
    const { node, link } = this.replica;
    await this.redis.server.kill9();
    link.cut();
    await node.command('REPLICAOF', 'NO', 'ONE');
    this.#redis = node;
    this.#redisProxy!.target = node.server.port;
    this.#redisProxy!.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill9()));
    for (const undo of this.#undo) await undo();
  }
}
