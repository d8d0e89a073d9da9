import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
const command = join(root, 'dist/cli/main.mjs');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface Started {
  child: ChildProcess;
  /** What it printed so far. */
  output(): string;
  ended: Promise<Ended>;
}

export interface Place {
  cwd?: string;
  env?: Record<string, string>;
}

/** Starts the built command, away from a terminal. */
export function startMillrace(args: readonly string[], { cwd = root, env = {} }: Place = {}): Started {
  const began = performance.now();
  const child = spawn(process.execPath, [command, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout,
    stderr,
    ms: performance.now() - began,
  }));
  return { child, output: () => stdout, ended };
}
