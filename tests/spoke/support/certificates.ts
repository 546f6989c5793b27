import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An authority of the test's own, in a folder of its own, and what it signs. */
export class Authority implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Authority> {
    const authority = new Authority(await mkdtemp(join(tmpdir(), 'spokecast-tls-')));
    const { key, cert } = authority.files('ca');
    await authority.#openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-keyout', key, '-out', cert, '-subj', '/CN=test authority'],
    );
    return authority;
  }

  files(name: string): { key: string; cert: string } {
    return { key: join(this.directory, `${name}.key`), cert: join(this.directory, `${name}.crt`) };
  }

  read(name: string): Promise<[key: string, cert: string]> {
    const { key, cert } = this.files(name);
    return Promise.all([readFile(key, 'utf8'), readFile(cert, 'utf8')]);
  }

  /** A certificate for 127.0.0.1, or a client's; its common name is `name`. */
  async sign(name: string): Promise<void> {
    const { key, cert } = this.files(name);
    const ca = this.files('ca');
    await this.#openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...['-CA', ca.cert, '-CAkey', ca.key, '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...[
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-keyout',
        key,
        '-out',
        cert,
        '-subj',
        `/CN=${name}`,
      ],
    );
  }

  async #openssl(...args: string[]): Promise<void> {
    await run('openssl', args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
