export { postgresUrl, redisUrl } from './urls.ts';
export { startPostgres, type PostgresOptions } from './postgres.ts';
export { startRedis, type RedisOptions } from './redis.ts';
export { freePort, type Server } from './server.ts';
