/**
 * How long to wait after the n-th failure in a row (n from 1): "full jitter", a random part of an exponentially
 * growing span. Source: AWS Architecture Blog, "Exponential Backoff and Jitter" (2015). At least a tenth of the
 * span, so that a run of small draws cannot turn into a busy loop.
 */
export function backoffMs(failures: number, minDelayMs: number, maxDelayMs: number, fraction: number): number {
  const spanMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(failures - 1, 30));
  return spanMs * (0.1 + 0.9 * fraction);
}
