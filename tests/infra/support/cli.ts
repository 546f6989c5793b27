import { systemClock } from '../../../contexts/base/clock.ts';
import { explainFailure } from '../../../infra/bin/failure.ts';
import { createProgram } from '../../../infra/bin/program.ts';

export interface Ran {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface Given {
  /** What a person answers, and does before; without it nobody is there. */
  person?: (question: string) => string | Promise<string>;
  /** Is told what the command says while it goes on. */
  onSay?: (text: string) => void;
  /** Standard input. */
  input?: string;
}

/** The `spokecast` command within this process: what it is given of the world is handed in, and what it says kept. */
export async function runCli(
  environment: Record<string, string>,
  args: readonly string[],
  { person, onSay, input = '' }: Given = {},
): Promise<Ran> {
  const ran: Ran = { exitCode: 0, stdout: '', stderr: '' };
  const answer = async (question: string) => {
    ran.stderr += question;
    return person!(question);
  };
  const cli = {
    environment,
    clock: systemClock,
    exit: (code: number) => {
      ran.exitCode = code;
    },
    terminal: {
      print: (text: string) => {
        ran.stdout += `${text}\n`;
      },
      say: (text: string) => {
        ran.stderr += `${text}\n`;
        onSay?.(text);
      },
      isPerson: person !== undefined,
      isScreen: false,
      columns: 120,
      ask: answer,
      askSecret: answer,
      readInput: async () => input,
    },
  };
  try {
    await (await createProgram(cli, args[0])).parseAsync([...args], { from: 'user' });
  } catch (error) {
    const { message, exitCode } = explainFailure(error, 'info');
    return { ...ran, exitCode, stderr: `${ran.stderr}spokecast: ${message}\n` };
  }
  return ran;
}
