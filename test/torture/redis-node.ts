import { createClient } from 'redis';
import { type Server, startRedis } from '../servers/index.ts';

/** A Redis server of a cycle's own. */
export class RedisNode implements AsyncDisposable {
  readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(args: readonly string[], waitaof: boolean): Promise<RedisNode> {
    return new RedisNode(await startRedis({ args: [...args], waitaof }));
  }

  async command(...args: string[]): Promise<unknown> {
    const client = createClient({ url: this.server.url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.kill9();
  }
}
