/**
 * A value as JSON text, or why it has none. What JSON would drop or change without a word (NaN, Infinity, a function or
 * undefined in an array, a Map, a Set) is a fault, with the path to it; a property whose value is undefined is left
 * out.
 */
export type Encoded = { readonly json: string } | { readonly fault: string };

export function encodeJson(value: unknown): Encoded {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    return { fault: error instanceof Error ? (error.message.split('\n', 1)[0] as string) : 'JSON.stringify failed' };
  }
  if (json === undefined) return { fault: `a value of type ${typeof value} has no JSON form` };
  // Only a text with `null` or `{}` in it can hide something that was changed: all others are spared the walk.
  if (json.includes('null') || json.includes('{}')) {
    const fault = findChanged(value, '');
    if (fault !== undefined) return { fault };
  }
  return { json };
}

function findChanged(value: unknown, path: string): string | undefined {
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : `${at(path)} is ${value}, which JSON turns into null`;
  if (typeof value !== 'object' || value === null) return undefined;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return undefined;
  if (value instanceof Map || value instanceof Set)
    return `${at(path)} is a ${value.constructor.name}, which JSON turns into {}`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const type = typeof value[i];
      if (type === 'undefined' || type === 'function' || type === 'symbol')
        return `${at(`${path}[${i}]`)} is ${type}, which JSON turns into null`;
      const fault = findChanged(value[i], `${path}[${i}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  for (const [name, property] of Object.entries(value)) {
    const fault = findChanged(property, path === '' ? name : `${path}.${name}`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const at = (path: string): string => (path === '' ? 'the value' : path);
