import { vi } from 'vitest';

/**
 * `vi.waitFor` gives up after a second unless told otherwise, and a machine with much else to do takes longer for
 * almost anything. Loaded before every test file.
 */
const waitFor = vi.waitFor;
vi.waitFor = (callback, options) => {
  const given = typeof options === 'number' ? { timeout: options } : options;
  return waitFor(callback, { timeout: 30_000, ...given });
};
