interface Version {
  readonly json: string | undefined;
  readonly fromStep: number;
  /** The step after which no read that begins may see it. */
  untilStep: number;
}

/**
 * The values that each key had, and when, in steps of the schedule. A read must give a value that the key had at some
 * moment between its call and its answer. With that, reads are monotonic and a process reads what it wrote: a read that
 * begins after another has ended cannot see what was replaced before.
 */
export class Versions {
  readonly #byKey = new Map<string, Version[]>();

  #of(key: string): Version[] {
    let versions = this.#byKey.get(key);
    if (versions === undefined)
      this.#byKey.set(key, (versions = [{ json: undefined, fromStep: 0, untilStep: Number.POSITIVE_INFINITY }]));
    return versions;
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  /** The key has this value from now on, and no other. */
  became(key: string, json: string | undefined, step: number): void {
    const versions = this.#of(key);
    for (const version of versions) version.untilStep = Math.min(version.untilStep, step);
    versions.push({ json, fromStep: step, untilStep: Number.POSITIVE_INFINITY });
  }

  /** The key may be seen with this value too, until {@link ended}. */
  also(key: string, json: string | undefined, step: number): void {
    this.#of(key).push({ json, fromStep: step, untilStep: Number.POSITIVE_INFINITY });
  }

  /** The write that made this version, or one of the same time, is over: what is older is gone. */
  succeeded(key: string, json: string | undefined, fromStep: number, step: number): void {
    const versions = this.#of(key);
    const since = versions.filter((version) => version.fromStep >= fromStep);
    // Of deletes nobody can tell whose is which: the first of them was there in any case.
    const own = since.find((version) => version.json === json) ?? since[0];
    if (own === undefined) return;
    for (const version of versions) {
      if (version === own) break;
      version.untilStep = Math.min(version.untilStep, step);
    }
  }

  /** A value that could be seen beside the newest is gone. */
  ended(key: string, json: string | undefined, step: number): void {
    for (const version of this.#of(key))
      if (version.json === json) version.untilStep = Math.min(version.untilStep, step);
  }

  /** Values that the key had between two steps, both included. */
  between(key: string, fromStep: number, toStep: number): (string | undefined)[] {
    return this.#of(key)
      .filter((version) => version.fromStep <= toStep && version.untilStep >= fromStep)
      .map(({ json }) => json);
  }

  /** Values that the key has been given since a step. */
  since(key: string, fromStep: number): (string | undefined)[] {
    return this.#of(key)
      .filter((version) => version.fromStep >= fromStep)
      .map(({ json }) => json);
  }
}
