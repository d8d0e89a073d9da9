import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { waitaofBinary } from './redis-binary.ts';
import type { Server } from './server.ts';
import { givenUrl } from './urls.ts';

declare module 'vitest' {
  interface ProvidedContext {
    usesServers: boolean;
    serverUrls: { redis: string; postgres: string };
  }
}

/** Starts the servers that all suites share, once, and stops them when the run is over. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!project.vitest.projects.some(({ config }) => config.provide.usesServers)) return undefined;

  const started: Server[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const urlOf = async (given: string | undefined, start: () => Promise<Server>) => {
    if (given) return given;
    const server = await start();
    started.push(server);
    return server.url;
  };

  const [redis, postgres] = await Promise.allSettled([
    urlOf(givenUrl('redis'), startRedis),
    urlOf(givenUrl('postgres'), startPostgres),
  ]);
  // Here, because a test has no time to wait for an installation; after the other, which may be one too.
  const [waitaof] = await Promise.allSettled([waitaofBinary()]);
  if (redis.status === 'rejected' || postgres.status === 'rejected' || waitaof.status === 'rejected') {
    await stop();
    throw withoutStack([redis, postgres, waitaof].find((result) => result.status === 'rejected')?.reason);
  }
  project.provide('serverUrls', { redis: redis.value, postgres: postgres.value });
  return stop;
}

/** What is missing is on the machine, not at some line of this code. */
function withoutStack(error: Error): Error {
  error.stack = '';
  return error;
}
