import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeWith } from '../../support/requirements.ts';
import { documentedConfiguration } from './documented.ts';
import { integrationSuite } from './suite.ts';

describeWith('haproxy', 'docs/integrations/haproxy.md', () =>
  integrationSuite({
    program: 'haproxy',
    async configure(parties, directory) {
      const lua = join(directory, 'spokecast.lua');
      await writeFile(lua, documentedConfiguration('haproxy.md', 'spokecast.lua', parties));
      const file = join(directory, 'haproxy.cfg');
      const named = { '/etc/haproxy/spokecast.lua': lua };
      await writeFile(file, documentedConfiguration('haproxy.md', 'haproxy.cfg', parties, named));
      return ['-db', '-f', file];
    },
  }),
);
