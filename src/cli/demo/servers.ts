/** How long a server may take to answer: someone is waiting in front of the terminal. */
export const CONNECT_TIMEOUT_MS = 1_000;

/** Rejects when there is no answer in time; a server may accept a connection and then say nothing. */
export function answerOf<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('timeout')), CONNECT_TIMEOUT_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Host and port of a URL, without the credentials that may be in it. */
export function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  const standard = protocol.startsWith('redis') ? '6379' : '5432';
  return `${hostname === '' ? 'localhost' : hostname}:${port === '' ? standard : port}`;
}

/** Why a server cannot be used, in words of our own: a driver's message may hold names and credentials. */
export function reasonOf(error: unknown): string {
  const { code, message } = faultOf(error);
  if (
    /^28|^WRONGPASS|^NOAUTH|^ERR AUTH|invalid.*password/i.test(code) ||
    /WRONGPASS|NOAUTH|invalid password|password/i.test(message)
  ) {
    return 'refuses the login';
  }
  if (code === '3D000') return 'has no such database';
  if (code === '42501') return 'does not allow this user to create a schema';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'cannot be reached: there is no such host';
  if (code === 'ECONNREFUSED') return 'cannot be reached: nothing listens there (ECONNREFUSED)';
  if (/timeout|timed out/i.test(`${code} ${message}`))
    return `cannot be reached: no answer within ${CONNECT_TIMEOUT_MS / 1_000} s`;
  return code === '' ? 'cannot be used' : `cannot be used (${code})`;
}

function faultOf(error: unknown): { code: string; message: string } {
  if (typeof error !== 'object' || error === null) return { code: '', message: '' };
  // Several addresses of one host were tried: the first tells as much as all.
  if (error instanceof AggregateError && error.errors.length > 0) return faultOf(error.errors[0]);
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : '', message: typeof message === 'string' ? message : '' };
}
