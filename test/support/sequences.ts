import fc from 'fast-check';

/** Property tests take the same sequences in each run; `MILLRACE_PROPERTY_SEED` gives others. */
fc.configureGlobal({ seed: Number(process.env['MILLRACE_PROPERTY_SEED'] ?? 1) });
