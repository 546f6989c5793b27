import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { assert } from '../../../contexts/base/assert.ts';

/** Where the parties of docs/integrations listen, by the addresses that stand there. */
export interface Parties {
  gateway: string;
  service: string;
  agents: string;
}

const documented: Parties = {
  gateway: '127.0.0.1:4101',
  service: '127.0.0.1:8081',
  agents: '127.0.0.1:8080',
};

/**
 * The configuration that docs/integrations/<page> shows under the file name `name`, with every party where the
 * test has it. `files` says where other files it names are.
 */
export function documentedConfiguration(
  page: string,
  name: string,
  parties: Parties,
  files: Record<string, string> = {},
): string {
  const text = readFileSync(new URL(`../../../docs/integrations/${page}`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/^```\w+ title=(\S+)\n(.*?)^```$/gms)];
  const block = blocks.find(([, title]) => basename(title!) === name);
  assert(block, `docs/integrations/${page} shows no ${name}`);
  let configuration = block[2]!;
  for (const party of ['gateway', 'service', 'agents'] as const)
    configuration = configuration.replaceAll(documented[party], parties[party]);
  for (const [path, instead] of Object.entries(files)) {
    assert(configuration.includes(path), `${name} does not name ${path}`);
    configuration = configuration.replaceAll(path, instead);
  }
  return configuration;
}
