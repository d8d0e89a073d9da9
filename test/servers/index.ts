export { type PostgresOptions, startPostgres } from './postgres.ts';
export { type RedisOptions, startRedis } from './redis.ts';
export { freePort, type Server } from './server.ts';
export { postgresUrl, redisUrl } from './urls.ts';
