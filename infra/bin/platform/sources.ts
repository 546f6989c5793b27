import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import type { Terminal } from '../terminal.ts';
import type { Source } from './document.ts';

/**
 * What `-f` names: a file, `-` for standard input, or a directory with every `.yaml`, `.yml` and `.json` file in it
 * and below, in the order of their paths. Names that begin with a dot are left out.
 * @throws ConfigurationError naming everything that cannot be read.
 */
export async function readSources(paths: readonly string[], terminal: Terminal): Promise<Source[]> {
  const sources: Source[] = [];
  const problems: string[] = [];
  for (const path of new Set(paths)) {
    try {
      if (path === '-') sources.push({ name: 'stdin', text: bounded(await terminal.readInput()) });
      else for (const file of filesOf(path)) sources.push({ name: file, text: textOf(file) });
    } catch (error) {
      problems.push(`-f ${path}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return sources;
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !file.split(sep).some((part) => part.startsWith('.')))
    .sort()
    .map((file) => join(path, file))
    .filter((file) => !statSync(file).isDirectory());
  if (files.length === 0) throw new Error('there is no .yaml, .yml or .json file in it');
  return files;
}

/** As much as a file may have: what 15,000 clusters with ten keys each take. Reading it takes a hundred times as much memory. */
const bytesMax = 16 * 1024 * 1024;
const tooLarge = 'it is larger than 16 MiB: split it into several files';

/** @throws Error where it is too large, whatever its kind, or no text. */
function textOf(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(256 * 1024);
      const count = readSync(descriptor, chunk);
      if (count === 0) break;
      chunks.push(chunk.subarray(0, count));
      bytes += count;
      if (bytes > bytesMax) throw new Error(`${file}: ${tooLarge}`);
    }
    return decoded(Buffer.concat(chunks), file);
  } finally {
    closeSync(descriptor);
  }
}

/** What is no UTF-8 is told, rather than put down as question marks in names. */
function decoded(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${file}: it is no text in UTF-8`);
  }
}

function bounded(text: string): string {
  if (text.length > bytesMax) throw new Error(tooLarge);
  return text;
}
