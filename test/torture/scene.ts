import type { Proxy } from '../support/proxy.ts';
import type { MemberProcess } from './member-process.ts';
import type { RedisNode } from './redis-node.ts';

/** The servers and processes of a cycle, as faults see them. */
export interface Scene {
  readonly members: readonly MemberProcess[];
  readonly leaseMs: number;
  /** The present primary. */
  readonly redis: RedisNode;
  /** Follows the primary over the link. */
  readonly replica: { readonly node: RedisNode; readonly link: Proxy };
  /** Through which members reach Redis and PostgreSQL. */
  readonly proxies: readonly Proxy[];
  /** The folder of LMDB. */
  readonly disk: string;
  pause(ms: number): Promise<void>;
  /** Kills a member; another takes its place and goes on with its keys. */
  replace(member: MemberProcess): Promise<void>;
  /** Kills Redis and starts it again on what it left behind in its folder. */
  crashRedis(downMs: number, meanwhile?: (folder: string) => Promise<void>): Promise<void>;
  /** Kills PostgreSQL with all its processes and starts it again. */
  crashPostgres(downMs: number): Promise<void>;
  /** The primary dies, the replica takes its place and the clients are led to it. */
  promoteReplica(): Promise<void>;
}
