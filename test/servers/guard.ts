import { spawn } from 'node:child_process';

// Reads one line per change: the process id of the server, or an empty line when it is down. The
// end of its input means that we are gone, however that came about.
const script = `
  while read -r line; do pid=$line; done
  [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
  [ -z "$1" ] && exit
  for attempt in 1 2 3 4 5; do rm -rf "$1" 2>/dev/null && exit; sleep 0.2; done
`;

export interface Guard {
  /** The server to end with us; `undefined` while there is none. */
  watch(pid: number | undefined): void;
}

/** Ends the watched server and removes its folder when this process is gone, also by kill -9. */
export function startGuard(folder: string | undefined): Guard {
  const child = spawn('sh', ['-c', script, 'guard', folder ?? ''], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  });
  child.unref();
  const { stdin } = child;
  stdin.on('error', () => undefined);
  (stdin as unknown as { unref(): void }).unref();
  return { watch: (pid) => void stdin.write(`${pid ?? ''}\n`) };
}
