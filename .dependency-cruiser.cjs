// Who may import whom. Type imports count: a type from above is a dependency all the same.
const common = '^src/(errors|events)[.]ts$';
const facade = '^src/(options/)?[^/]+[.]ts$';
const entryPoints = '^src/(index|(fronts/(redis|lmdb|memory)|stores/postgres|testing)/index)[.]ts$';
const drivers = {
  redis: 'fronts/redis',
  ioredis: 'fronts/redis',
  lmdb: 'fronts/lmdb',
  pg: 'stores/postgres',
  '@electric-sql/pglite': 'stores/postgres',
};

/** `from` may import these parts of src, and nothing else of it. */
const mayImport = (name, from, ...allowed) => ({
  name: `${name}-imports`,
  severity: 'error',
  from: { path: from, pathNot: '[.]d[.]ts$' },
  to: { path: '^src/', pathNot: allowed },
});

/**
 * The rooms of the engine, each with those that it may use beside core and ports. Writing and flushing do not know each
 * other; of shapes only the engine knows, and it makes what several rooms need.
 */
const engineRooms = {
  base: [],
  lanes: ['base'],
  writing: ['base', 'lanes'],
  flushing: ['base', 'lanes'],
  shapes: ['base', 'lanes', 'writing', 'flushing'],
};

const rooms = Object.entries(engineRooms).map(([room, below]) =>
  mayImport(
    `engine-${room}`,
    `^src/engine/${room}/`,
    '^src/(core|ports)/',
    `^src/engine/(${[room, ...below].join('|')})/`,
    common,
  ),
);

const layers = [
  mayImport('core', '^src/core/', '^src/core/'),
  mayImport('ports', '^src/ports/', '^src/(core|ports)/', common),
  mayImport('common', common, '^src/(core|ports)/', common),
  ...rooms,
  mayImport('engine', '^src/engine/[^/]+[.]ts$', '^src/(core|ports|engine)/', common),
  mayImport('observe', '^src/observe/', '^src/(core|ports|observe)/', '^src/engine/base/settings[.]ts$', common),
  mayImport('front', '^src/fronts/([^/]+)/', '^src/(core|ports)/', '^src/fronts/$1/', '^src/fronts/embedded/', common),
  mayImport(
    'shared-front',
    '^src/fronts/(embedded/|[^/]+[.]ts$)',
    '^src/(core|ports|fronts/embedded)/',
    '^src/fronts/[^/]+[.]ts$',
    common,
  ),
  mayImport('store', '^src/stores/(?!sql/)([^/]+)', '^src/(core|ports)/', '^src/stores/$1', '^src/stores/sql/', common),
  mayImport('sql', '^src/stores/sql/', '^src/(core|ports)/', '^src/stores/sql/', common),
  mayImport(
    'facade',
    '^src/(options/|(?!errors|events|index)[^/]+[.]ts$)',
    '^src/(core|ports|engine|observe|options)/',
    '^src/(?!index)[^/]+[.]ts$',
    '^src/stores/custom',
  ),
  mayImport('index', '^src/index[.]ts$', '^src/(core|ports|engine|observe)/', facade, '^src/stores/custom'),
  mayImport('cli', '^src/cli/', '^src/(cli|dashboard)/', facade, entryPoints),
  mayImport('dashboard', '^src/dashboard/', '^src/dashboard/', facade, entryPoints),
  mayImport('testing', '^src/testing/', '^src/(core|ports|testing)/', facade),
];

const driverRules = Object.entries(drivers).flatMap(([driver, home]) => [
  {
    name: `driver-${driver}`,
    comment: 'a driver is imported by its adapter only, so that nobody loads one they do not use',
    severity: 'error',
    from: { path: '^src/', pathNot: [`^src/${home}/`, '^src/cli/'] },
    to: { path: `(^|/)node_modules/(@types/)?${driver}/` },
  },
  {
    name: `driver-${driver}-in-cli`,
    comment: 'the command line runs without the drivers that the configuration does not use',
    severity: 'error',
    from: { path: '^src/cli/' },
    to: { path: `(^|/)node_modules/(@types/)?${driver}/`, dynamic: false, dependencyTypesNot: ['type-only'] },
  },
]);

module.exports = {
  forbidden: [
    ...layers,
    ...driverRules,
    {
      name: 'core-is-pure',
      comment: 'no I/O, no timers, no randomness: everything in the core can be replayed',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-peer'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'src-without-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|examples|scripts)/' },
    },
    {
      name: 'src-without-dev-dependencies',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['npm-peer', 'type-only'],
        pathNot: '(^|/)node_modules/@types/',
      },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
