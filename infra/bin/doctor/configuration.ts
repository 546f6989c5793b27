import type { Environment } from '../../../contexts/base/options.ts';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import { type HubAddress, type HubFlags, hubAddress } from '../hub-options.ts';
import { knownVariables } from '../roles.ts';
import { type Finding, fault, fine } from './finding.ts';

/** The environment of this process, and which hub it leads to. */
export function checkConfiguration(
  environment: Environment,
  flags: HubFlags,
): { findings: Finding[]; address: HubAddress | undefined } {
  const findings: Finding[] = [];
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith('SPOKECAST_') && !knownVariables.includes(name),
  );
  findings.push(
    unknown.length === 0
      ? fine('environment', 'every SPOKECAST_ variable is known')
      : fault(
          'environment',
          `${unknown.join(', ')}: no such option`,
          'See docs/reference/options.md: a role refuses to start with it',
        ),
  );
  try {
    const address = hubAddress(environment, flags);
    const from = address.profile === undefined ? 'flags and environment' : `profile ${address.profile}`;
    findings.push(fine('hub address', `${address.url}, from ${from}`));
    return { findings, address };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.push(fault('hub address', error.problems.join('; '), 'spokecast login'));
    return { findings, address: undefined };
  }
}
