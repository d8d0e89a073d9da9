import type { Plugin } from 'vitest/config';

const textFile = /\.(lua|sql)$/;

/** Makes `import text from './x.lua'` give the file's text in tests, as `loader` does in the build. */
export function textFiles(): Plugin {
  return {
    name: 'millrace:text-files',
    enforce: 'pre',
    transform(code, id) {
      return textFile.test(id) ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined;
    },
  };
}
