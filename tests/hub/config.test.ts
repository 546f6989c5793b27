import { expect, test } from 'vitest';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { printableConfig, readConfig } from '../../hub/config.ts';

test('a hub needs a database, and nothing else', () => {
  const config = readConfig({ DATABASE_URL: 'postgres://u:hunter2@db/hub' }, []);
  expect(config).toMatchObject({ port: 4000, environment: 'dev', proxyHops: 0 });
  expect(JSON.stringify(printableConfig(config))).not.toContain('hunter2');
});

test('every mistake is named at once, and no secret with it', () => {
  const environment = {
    DATABASE_URL: 'mysql://u:hunter2@db',
    SPOKECAST_PORT: '70000',
    SPOKECAST_LOG_LEVEL: 'loud',
    SPOKECAST_PRT: '1',
  };
  let error: unknown;
  try {
    readConfig(environment, ['SPOKECAST_REGION']);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConfigurationError);
  const { message } = error as Error;
  for (const name of Object.keys(environment)) expect(message).toContain(name);
  expect(message).not.toContain('hunter2');
});
