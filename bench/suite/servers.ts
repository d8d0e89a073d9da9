import { startPostgres, startRedis } from '../../test/servers/index.ts';

/** The servers of a run, which all processes of it share. */
export interface Servers {
  readonly redisUrl: string;
  readonly postgresUrl: string;
  readonly stop: () => Promise<void>;
}

export async function startServers(): Promise<Servers> {
  // As a team that cares for its data would run it: the log is written every second.
  const redis = await startRedis({
    args: ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'],
  });
  const postgres = await startPostgres();
  return {
    redisUrl: redis.url,
    postgresUrl: postgres.url,
    async stop() {
      await redis.stop();
      await postgres.stop();
    },
  };
}
