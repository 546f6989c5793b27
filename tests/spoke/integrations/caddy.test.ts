import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeWith } from '../../support/requirements.ts';
import { documentedConfiguration } from './documented.ts';
import { integrationSuite } from './suite.ts';

describeWith('caddy', 'docs/integrations/caddy.md', () =>
  integrationSuite({
    program: 'caddy',
    async configure(parties, directory) {
      const file = join(directory, 'Caddyfile');
      // The administration port is one a machine.
      const configuration = documentedConfiguration('caddy.md', 'Caddyfile', parties);
      await writeFile(file, `{\n\tadmin off\n}\n${configuration}`);
      return ['run', '--config', file, '--adapter', 'caddyfile'];
    },
  }),
);
