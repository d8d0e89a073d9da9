import { readFileSync, readlinkSync, statSync } from 'node:fs';

/** A process that has the environment open, so that its successors can tell whether it still has. */
export interface ProcessRow {
  readonly pid: number;
  /** When it started, in the kernel's words; '' where that cannot be learned. */
  readonly started: string;
  /** The boot and the process namespace in which `pid` means something; '' where unknown. */
  readonly world: string;
  /** The file it has open: a copy of the environment holds rows of processes that never opened the copy. */
  readonly file: string;
}

export function thisProcess(dataFile: string): ProcessRow {
  return { pid: process.pid, started: startOf(process.pid), world: thisWorld(), file: identityOf(dataFile) };
}

/** Whether the process has the file open still. One of another namespace cannot be seen and counts as gone. */
export function isAlive(row: ProcessRow, own: ProcessRow): boolean {
  if (row.file !== own.file || row.world !== own.world) return false;
  try {
    process.kill(row.pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(row.pid) === row.started;
}

function identityOf(file: string): string {
  const { dev, ino } = statSync(file, { bigint: true });
  return `${dev}:${ino}`;
}

function thisWorld(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat, counted from behind the name, which may hold anything. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
