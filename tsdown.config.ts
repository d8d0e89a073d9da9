import { defineConfig, type UserConfig } from 'tsdown';

const library = ['src/index.ts', 'src/fronts/*/index.ts', 'src/stores/*/index.ts', 'src/testing/index.ts'];

const common: UserConfig = {
  root: 'src',
  target: 'node20',
  platform: 'node',
  fixedExtension: true,
  dts: true,
  loader: { '.lua': 'text', '.sql': 'text' },
  // The package's metadata is kept by hand; test/dist holds it against the build.
  exports: false,
  clean: ['dist'],
  logLevel: 'warn',
  checks: { pluginTimings: false },
};

export default defineConfig([
  // The command line shares the library's chunks: an error that a user's config throws is then an
  // instance of the class that the command line knows.
  { ...common, format: 'esm', entry: [...library, 'src/cli/main.ts'] },
  { ...common, format: 'cjs', entry: library },
]);
