import { join } from 'node:path';
import { wheelFiles } from './files.ts';
import type { WheelLayout } from './layout.ts';
import { wheelFilePath } from './wheel-file.ts';

/**
 * What is printed once everything answers: where it is, and lines to copy that work. Secrets stay in their files, but
 * for the link that makes the first person, which works once.
 */
export function welcome(layout: WheelLayout, setUpLink: string | undefined): string {
  const file = (name: string) => join(layout.directory, name);
  const [first] = layout.regions;
  const rows = [
    ['console and hub API', layout.hub.url],
    ['its reference', `${layout.hub.url}/docs`],
    ...layout.regions.map((region) => [`gateway ${region.id}`, region.gateway.url]),
    ['application key', file(wheelFiles.applicationKey)],
    ['what runs', wheelFilePath(layout.directory)],
    ['logs', file(wheelFiles.logs)],
  ];
  return [
    ...rows.map(([name, value]) => `  ${name!.padEnd(24)}${value}`),
    '',
    ...(setUpLink === undefined
      ? []
      : [
          'Open this to become the owner of the platform in a browser (once, for an hour):',
          '',
          `  ${setUpLink}`,
          '',
        ]),
    'Authenticate with the demo agent key at a gateway:',
    '',
    `  ${curl(file(wheelFiles.demoAgentKey), `${first!.gateway.url}/v1/authenticate`)}`,
    '',
    'See the clusters that the hub knows, and the regions they are placed in:',
    '',
    `  ${curl(file(wheelFiles.applicationKey), `${layout.hub.url}/v1/clusters`)}`,
    '',
    `Then kill the hub (its process is in wheel.json) and authenticate again. Ctrl-C ends all of it.`,
  ].join('\n');
}

function curl(keyFile: string, url: string): string {
  return `curl -sS -H "Authorization: Bearer $(cat ${quoted(keyFile)})" ${url}`;
}

/** As one word of a shell's command line, also inside double quotes' `$( )`. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
