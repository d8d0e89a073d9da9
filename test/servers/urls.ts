const names = { redis: 'MILLRACE_TEST_REDIS_URL', postgres: 'MILLRACE_TEST_POSTGRES_URL' } as const;

/** Where the shared Redis of this test run listens. Tests share it: use a namespace of your own. */
export function redisUrl(): string {
  return required(names.redis);
}

/** Where the shared PostgreSQL of this test run listens, as a superuser. */
export function postgresUrl(): string {
  return required(names.postgres);
}

export function givenUrl(server: keyof typeof names): string | undefined {
  return process.env[names[server]] || undefined;
}

/** Makes the URLs known to this process and to the processes it starts. */
export function setUrls(urls: Record<keyof typeof names, string>): void {
  process.env[names.redis] = urls.redis;
  process.env[names.postgres] = urls.postgres;
}

function required(name: string): string {
  const url = process.env[name];
  if (!url) throw new Error(`${name} is not set: run this test through vitest, in a suite that has servers`);
  return url;
}
