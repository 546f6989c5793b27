import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeWith } from '../../support/requirements.ts';
import { documentedConfiguration } from './documented.ts';
import { integrationSuite } from './suite.ts';

describeWith('nginx', 'docs/integrations/nginx.md', () =>
  integrationSuite({
    program: 'nginx',
    async configure(parties, directory) {
      const site = join(directory, 'spokecast.conf');
      await writeFile(site, documentedConfiguration('nginx.md', 'spokecast.conf', parties));
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${join(directory, name)};`)
        .join(' ');
      const main = join(directory, 'nginx.conf');
      // Workers of a root's nginx are somebody else, who may not enter the folder.
      const user = process.getuid?.() === 0 ? 'user root;' : '';
      const outside = `daemon off; worker_processes 1; pid ${join(directory, 'pid')}; error_log stderr; ${user}`;
      await writeFile(main, `${outside} events {} http { access_log off; ${temporary} include ${site}; }`);
      return ['-p', directory, '-c', main, '-e', 'stderr'];
    },
  }),
);
