import { test } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { survives, testTimeoutMs } from './survives.ts';

describeWith('redis-server', '[law 2] [law 3] a soak with queues in Redis', () => {
  test('survives a minute of kills, freezes and restarts', () => survives('redis'), testTimeoutMs);
});
