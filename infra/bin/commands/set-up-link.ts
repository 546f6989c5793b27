import type { Command } from 'commander';
import { describeOptions, type Environment, parseOptions } from '../../../contexts/base/options.ts';
import { addressOptions, commandAddressOf, hubOptions } from '../../../hub/config.ts';

const { databaseUrl, publicUrl, port, setUpLinkMs } = hubOptions;
const options = { databaseUrl, ...addressOptions, publicUrl, port, setUpLinkMs };

/** The way in to a hub that nobody has signed in to, when the link in its log has expired. */
export function addSetUpLink(hub: Command, environment: Environment): void {
  hub
    .command('set-up-link')
    .description('print a one-time link that makes the first owner of a hub which nobody has signed in to')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `\nWorks straight in the database; the hub need not run. Where somebody has signed in already it prints no link and ends with 0: people are invited with \`spokecast users create\`, and \`spokecast users create-link\` makes a link to a new password.\n\nConfigured by environment variables:\n\n${describeOptions(options)}`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const { createSetUpLink } = await import('../../../hub/bootstrap.ts');
      const given = Object.values(options).map(({ env }) => [env, environment[env]]);
      const config = parseOptions(options, Object.fromEntries(given));
      const origin = config.publicUrl ?? `http://localhost:${config.port}`;
      const link = await createSetUpLink(commandAddressOf(config), { origin, linkMs: config.setUpLinkMs });
      if (json) console.log(JSON.stringify({ url: link?.url ?? null, expiresAt: link?.expiresAt ?? null }));
      else if (link) {
        console.error(
          `Open this to become the owner of the platform. It works once, until ${link.expiresAt}:`,
        );
        console.log(link.url);
      } else console.error('Somebody has signed in to this hub already: there is nothing to set up.');
    });
}
