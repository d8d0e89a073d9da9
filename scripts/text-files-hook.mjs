import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const textFile = /\.(lua|sql)$/;

export async function load(url, context, nextLoad) {
  const file = url.split('?')[0];
  if (!textFile.test(file)) return nextLoad(url, context);
  const text = await readFile(fileURLToPath(file), 'utf8');
  return { format: 'module', source: `export default ${JSON.stringify(text)};`, shortCircuit: true };
}
