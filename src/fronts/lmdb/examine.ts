import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';

/** `f_type` of Linux for file systems whose locks and mappings LMDB cannot rely on, and for those of containers. */
const NETWORK = new Set([0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x01021997]);
const OVERLAY = 0x794c7630;
const MEMORY = new Set([0x01021994, 0x858458f6]);

/** The folder and the file system beneath it. Makes nothing. */
export async function examineFolder(path: string, { maxBytes, writeBehind }: Examination): Promise<Finding[]> {
  const folder = await existing(path);
  const found = folder === path ? path : `${path}, not made yet`;
  const findings: Finding[] = [];
  try {
    await access(folder, constants.R_OK | constants.W_OK);
    findings.push(fine('lmdb.folder', found));
  } catch {
    findings.push(
      wrong(
        'lmdb.folder',
        found,
        'this process may not write there',
        'give its user the folder, or choose another `path`',
      ),
    );
  }
  const { type, bavail, bsize } = await statfs(folder);
  if (process.platform === 'linux') findings.push(fileSystem(type));
  const free = bavail * bsize;
  const room = `${Math.round(free / 2 ** 20)} MiB free`;
  if (writeBehind && free < maxBytes)
    findings.push(
      warning(
        'lmdb.disk',
        room,
        `less than may be pending (backpressure.maxBytes, ${Math.round(maxBytes / 2 ** 20)} MiB): ` +
          'a full disk refuses writes',
        'make room, or lower `backpressure.maxBytes`',
      ),
    );
  else findings.push(fine('lmdb.disk', room));
  return findings;
}

async function existing(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const there = await access(at).then(
      () => true,
      () => false,
    );
    if (there || dirname(at) === at) return at;
  }
}

function fileSystem(type: number): Finding {
  if (NETWORK.has(type))
    return wrong(
      'lmdb.file-system',
      'a network file system',
      'its locks and its syncs cannot be relied on: the file can be damaged',
      'use a local disk',
    );
  if (MEMORY.has(type))
    return warning(
      'lmdb.file-system',
      'a file system in memory',
      'what is not stored yet dies with the machine',
      'use a local disk',
    );
  if (type === OVERLAY)
    return warning(
      'lmdb.file-system',
      "a container's own layer",
      'it goes with the container',
      'mount a volume for `path`',
    );
  return fine('lmdb.file-system', 'local');
}
