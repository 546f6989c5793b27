import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Where a command reads and writes: results to standard output, everything said about them to standard error. */
export interface Terminal {
  print(text: string): void;
  say(text: string): void;
  /** Somebody sits there who can be asked. */
  isPerson: boolean;
  /** What is printed goes to a screen, which may be written over. */
  isScreen: boolean;
  columns: number;
  ask(question: string): Promise<string>;
  /** What is typed is not shown. */
  askSecret(question: string): Promise<string>;
  /** All of standard input. */
  readInput(): Promise<string>;
}

export const systemTerminal: Terminal = {
  print: (line) => console.log(line),
  say: (line) => console.error(line),
  isPerson: Boolean(process.stdin.isTTY && process.stderr.isTTY),
  isScreen: Boolean(process.stdout.isTTY),
  columns: process.stdout.columns ?? 120,
  ask: (question) => asked(question, process.stderr),
  async askSecret(question) {
    process.stderr.write(question);
    const answer = await asked('', new Writable({ write: (_chunk, _encoding, done) => done() }));
    process.stderr.write('\n');
    return answer;
  },
  readInput: () => text(process.stdin),
};

/** Ctrl-C and the end of input count as no answer. */
async function asked(question: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    return await Promise.race([lines.question(question), closed]);
  } finally {
    lines.close();
  }
}
