import { UsageError } from './failure.ts';

/** Loads a driver. Drivers are optional, so that nobody installs one they do not use. */
export async function driver<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new UsageError(`${name} is not installed: npm install ${name}`, { cause });
  }
}
