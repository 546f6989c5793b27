import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { request } from 'undici';
import {
  ConfigurationError,
  describeOptions,
  type Environment,
  parseOptions,
} from '../../contexts/base/options.ts';
import { isId } from '../../contexts/ids.ts';
import { parseSecret } from '../../contexts/secrets.ts';
import type { Cli } from './cli.ts';
import { exitCodes } from './exit-codes.ts';
import { type ExplanationView, narrate } from './explanation-text.ts';
import { gatewayClientOptions } from './gateway-options.ts';

/** Beside 78 for a configuration that is wrong. */
export const explainExit = {
  granted: exitCodes.done,
  refused: exitCodes.keyRefused,
  /** Neither: something is not held, and the store was not asked or did not tell. */
  unknown: exitCodes.notYet,
  noId: exitCodes.noId,
  unreachable: exitCodes.unreachable,
  /** The token is refused, or the gateway has none. */
  forbidden: exitCodes.forbidden,
} as const;

interface Flags {
  gateway?: string;
  tokenFile?: string;
  store?: boolean;
  address?: string;
  require?: string;
  json?: boolean;
  timeout: string;
}

/** The gateway said no, or nothing. */
class ExplainError extends Error {
  override name = 'ExplainError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function addExplain(command: Command, { environment, terminal, exit }: Cli): void {
  command
    .argument('<agent key id>', 'aki_..., as the hub lists it')
    .option('--gateway <url>', 'where the gateway answers')
    .option('--token-file <path>', "a file that holds the gateway's debug token")
    .option('--store', 'have the gateway ask its store as well, past its cache')
    .option(
      '--address <address>',
      'explain it for a request from there; without it, for no address in particular',
    )
    .option('--require <expression>', 'for a request that requires these permissions')
    .option('--timeout <seconds>', 'how long to wait for the gateway', '10')
    .option('--json', 'print what the gateway tells as it is')
    .addHelpText(
      'after',
      `\nExit codes: 0 let in, ${explainExit.refused} refused, 75 not to be told without the store (--store), 64 no id of an agent key, or no address, 69 the gateway does not answer, 77 token refused, or the gateway has none.\n\nConfigured by environment variables:\n\n${describeOptions(gatewayClientOptions)}`,
    )
    .action(async (given: string, flags: Flags) => {
      const explanation = await ask(keyIdOf(given), environment, flags);
      const colours = terminal.isScreen && !environment.NO_COLOR;
      terminal.print(flags.json ? JSON.stringify(explanation) : narrate(explanation, { colours }));
      exit(exitCodeOf(explanation));
    });
}

/** People paste the secret where the id is wanted. The id is in it, and the secret goes no further. */
function keyIdOf(given: string): string {
  if (isId('agentKey', given)) return given;
  const id = parseSecret('agentKey', given);
  if (id === undefined)
    throw new ExplainError(
      'that is not the id of an agent key: aki_ and 26 letters and digits',
      explainExit.noId,
    );
  console.error(`That is a secret, and now in your shell's history. Only its id is sent: ${id}`);
  return id;
}

async function ask(keyId: string, environment: Environment, flags: Flags): Promise<ExplanationView> {
  const { url, token } = addressOf(environment, flags);
  const timeoutMs = Number(flags.timeout) * 1_000;
  if (!(timeoutMs > 0 && timeoutMs <= 600_000))
    throw new ConfigurationError([`--timeout ${flags.timeout}: must be from 0 to 600 seconds`]);
  const query = new URLSearchParams();
  if (flags.store) query.set('store', 'true');
  if (flags.address !== undefined) query.set('address', flags.address);
  if (flags.require !== undefined) query.set('require', flags.require);
  const path = `/debug/agent-keys/${keyId}?${query}`;
  let status: number;
  let text: string;
  try {
    const answer = await request(`${url.replace(/\/+$/, '')}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = answer.statusCode;
    text = await answer.body.text();
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw new ExplainError(
      `the gateway at ${url} does not answer (${reason}). Is SPOKECAST_GATEWAY_URL right, and does it run?`,
      explainExit.unreachable,
    );
  }
  if (status === 200) return JSON.parse(text) as ExplanationView;
  if (status === 401)
    throw new ExplainError(`the gateway at ${url} refuses the token`, explainExit.forbidden);
  if (status === 400)
    throw new ExplainError(`the gateway at ${url} cannot read the question: ${text}`, explainExit.noId);
  if (status === 404)
    throw new ExplainError(
      `the gateway at ${url} explains nothing: it was started without SPOKECAST_DEBUG_TOKEN, or is no gateway of this version`,
      explainExit.forbidden,
    );
  throw new ExplainError(
    `the gateway at ${url} answered ${status}: ${text.slice(0, 300)}`,
    explainExit.unreachable,
  );
}

/** @throws ConfigurationError naming what is absent or wrong. */
function addressOf(environment: Environment, flags: Flags): { url: string; token: string } {
  const names = Object.values(gatewayClientOptions).map(({ env }) => env);
  const given: Environment = Object.fromEntries(names.map((name) => [name, environment[name]]));
  if (flags.gateway !== undefined) given.SPOKECAST_GATEWAY_URL = flags.gateway;
  if (flags.tokenFile !== undefined) {
    given.SPOKECAST_DEBUG_TOKEN_FILE = flags.tokenFile;
    delete given.SPOKECAST_DEBUG_TOKEN;
  }
  const { gatewayUrl: url, debugToken, debugTokenFile } = parseOptions(gatewayClientOptions, given);
  if (debugToken !== undefined) return { url, token: debugToken };
  if (debugTokenFile === undefined)
    throw new ConfigurationError([
      'SPOKECAST_DEBUG_TOKEN or SPOKECAST_DEBUG_TOKEN_FILE must give the token that the gateway has',
    ]);
  try {
    return { url, token: readFileSync(debugTokenFile, 'utf8').trim() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`${debugTokenFile} cannot be read: ${reason}`]);
  }
}

function exitCodeOf({ verdict, store }: ExplanationView): number {
  const decisive =
    verdict.outcome === 'asks-store' && store.asked && store.answered ? store.verdict : verdict;
  if (decisive.outcome === 'granted') return explainExit.granted;
  const isDenial = decisive.outcome === 'refused' && decisive.status !== 503;
  return isDenial ? explainExit.refused : explainExit.unknown;
}
