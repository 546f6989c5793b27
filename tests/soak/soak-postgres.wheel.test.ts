import { describe, test } from 'vitest';
import { survives, testTimeoutMs } from './survives.ts';

describe('[law 2] [law 3] a soak with queues in Postgres', () => {
  test('survives a minute of kills, freezes and restarts', () => survives('postgres'), testTimeoutMs);
});
