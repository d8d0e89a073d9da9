import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGuard } from './guard.ts';

const startTimeoutMs = 20_000;
const stopTimeoutMs = 10_000;
const retryMs = 50;
const outputCharsMax = 20_000;

/** A server of a test's own. It ends, and its temporary folder goes, with the process that started it. */
export interface Server {
  readonly url: string;
  /** Stays the same over a restart. */
  readonly port: number;
  /** Changes with a restart. */
  readonly pid: number;
  readonly dir: string;
  /** Shuts down in good order; the data stays for a restart. */
  stop(): Promise<void>;
  /** Ends at once, without a chance to write anything; the data stays for a restart. */
  kill9(): Promise<void>;
  /** Starts again on the same port and data, after a stop where it still runs. */
  restart(): Promise<void>;
  /** What the server printed last. */
  output(): string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How one kind of server is run. */
export interface Recipe {
  name: string;
  url(port: number): string;
  command(port: number): { file: string; args: string[]; uid?: number; gid?: number; env?: NodeJS.ProcessEnv };
  /** Printed when connections are accepted. */
  ready: RegExp;
  /** Printed when the start failed for a reason that passes: the port was taken, the old process is not quite gone. */
  tryAgain: RegExp;
  stopSignal: NodeJS.Signals;
  /** Rejects unless the server answers. */
  ping(url: string): Promise<void>;
  /** The processes that a server forked and that its sudden death would leave behind for a moment. */
  children?(pid: number): Promise<number[]>;
}

export interface Place {
  /** Default: a temporary folder, removed when this process ends. */
  dir?: string;
  /** Default: a free one. */
  port?: number;
}

export async function startServer(place: Place, prepare: (dir: string) => Promise<Recipe>): Promise<Server> {
  const dir = place.dir ?? (await temporaryFolder());
  const guard = startGuard(place.dir === undefined ? dir : undefined);
  const recipe = await prepare(dir);
  let port = place.port ?? (await freePort());
  let running: Running | undefined;

  const start = async (canMove: boolean) => {
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const attempt = new Running(recipe, port);
      guard.watch(attempt.pid);
      try {
        await attempt.ready();
        await recipe.ping(recipe.url(port));
        running = attempt;
        return;
      } catch (cause) {
        await attempt.end('SIGKILL');
        guard.watch(undefined);
        if (!recipe.tryAgain.test(attempt.output) || Date.now() > deadline) {
          throw new Error(`${recipe.name} did not start: ${attempt.output.trim().slice(-2_000) || String(cause)}`, {
            cause,
          });
        }
        if (canMove) port = await freePort();
        else await sleep(retryMs);
      }
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    await running?.end(signal);
    guard.watch(undefined);
  };

  await start(place.port === undefined);
  return {
    get url() {
      return recipe.url(port);
    },
    get port() {
      return port;
    },
    get pid() {
      return running!.pid;
    },
    dir,
    stop: () => end(recipe.stopSignal),
    kill9: () => end('SIGKILL'),
    async restart() {
      await end(recipe.stopSignal);
      await start(false);
    },
    output: () => running!.output,
    [Symbol.asyncDispose]: () => end(recipe.stopSignal),
  };
}

/** One process of a server, from its start to its end. */
class Running {
  readonly #recipe: Recipe;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #gone = false;
  output = '';

  constructor(recipe: Recipe, port: number) {
    const { file, args, ...options } = recipe.command(port);
    this.#recipe = recipe;
    // Detached: an interrupt at the terminal is for the tests, which then stop the server themselves.
    this.#child = spawn(file, args, { ...options, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', (error) => {
        this.output += `${error.message}\n`;
        resolve(error);
      });
    }).then(() => (this.#gone = true));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-outputCharsMax);
        this.#child.emit('output');
      });
      // An idle server does not keep this process alive, as a forgotten one would.
      (stream as unknown as { unref(): void }).unref();
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<void> {
    const timeout = AbortSignal.timeout(startTimeoutMs);
    while (!this.#recipe.ready.test(this.output)) {
      if (this.#gone) throw new Error('it ended');
      await Promise.race([once(this.#child, 'output', { signal: timeout }), this.#exited]);
    }
    this.#child.unref();
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#gone || !this.#child.pid) return;
    const children = signal === 'SIGKILL' ? ((await this.#recipe.children?.(this.pid)) ?? []) : [];
    this.#child.ref();
    this.#child.kill(signal);
    for (const pid of children) kill(pid);
    // A stopped process (SIGSTOP) does not see a polite signal.
    this.#child.kill('SIGCONT');
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    await this.#exited;
    clearTimeout(impatience);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself when it saw its parent go.
  }
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-server-'));
  await chmod(folder, 0o755); // PostgreSQL may run as another user
  return folder;
}

/**
 * A loopback port that was free a moment ago. None of those that systems give to outgoing connections (Linux from 32768
 * on, others from 49152): such a connection could take the place of a server that is down for a moment.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
