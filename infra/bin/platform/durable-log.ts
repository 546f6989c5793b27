import { closeSync, constants, existsSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigurationError } from '../../../contexts/base/options.ts';

/**
 * A file of lines that only grows and that only its owner may read. What `append` has resolved for is on the disk,
 * whatever happens then; appends that come while one is written go together in the next. One that was made for this
 * and got no line is removed again.
 */
export class DurableLog implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  #waiting: { text: string; done: PromiseWithResolvers<void> }[] = [];
  #writing: Promise<void> | undefined;
  /** It was made for this, and holds nothing yet. */
  #isIdle: boolean;

  private constructor(path: string, file: FileHandle, isNew: boolean) {
    this.path = path;
    this.#file = file;
    this.#isIdle = isNew;
  }

  /**
   * @param user who it has to belong to: this process's own, where the system knows users.
   * @throws ConfigurationError where it cannot be written, is no file, or others may read it.
   */
  static async open(path: string, user = process.getuid?.()): Promise<DurableLog> {
    let file: FileHandle | undefined;
    try {
      const isNew = !existsSync(path);
      file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
      const { mode, size, uid } = await file.stat();
      const isPrivate = (mode & 0o077) === 0 || process.platform === 'win32';
      if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new Error('it is no file');
      if (user !== undefined && uid !== user)
        throw new Error(`it belongs to another user (${uid}), who may read it: name another file`);
      if (!isPrivate) throw new Error(`others may read it: chmod 600 ${path}`);
      // A crash may have left half a line, which must not swallow the next.
      if (size > 0) {
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
        if (buffer[0] !== newline) await file.appendFile('\n');
      } else syncDirectory(dirname(path));
      return new DurableLog(path, file, isNew);
    } catch (error) {
      await file?.close();
      throw new ConfigurationError([`${path} cannot be written: ${(error as Error).message}`]);
    }
  }

  append(record: object): Promise<void> {
    return this.appendAll([record]);
  }

  async appendAll(records: readonly object[]): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#isIdle = false;
    this.#waiting.push({ text: records.map((record) => `${JSON.stringify(record)}\n`).join(''), done });
    this.#writing ??= this.#write();
    await done.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file.close();
    if (this.#isIdle) rmSync(this.path, { force: true });
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#file.appendFile(batch.map(({ text }) => text).join(''));
        await this.#file.datasync();
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#writing = undefined;
  }
}

const newline = 10;

/** So that the file's name is on the disk too. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The records of such a file. Lines that are none, such as half of one, are left out. */
export function recordsOf(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    try {
      const record: unknown = JSON.parse(line);
      return typeof record === 'object' && record !== null ? [record as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}
