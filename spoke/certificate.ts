import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server as TlsServer } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

export interface CertificateFiles {
  /** PEM: the server's certificate, then those between it and the root. */
  certFile: string;
  keyFile: string;
  /** PEM: who may sign the certificates of clients. Set: nobody gets in without one. */
  clientCaFile: string | undefined;
}

export type ReloadOutcome = 'unchanged' | 'reloaded' | 'refused';

/** The files as they are now do not make a certificate. The message names the file. */
export class CertificateError extends Error {
  override name = 'CertificateError';
}

/**
 * The certificate that a server shows. It follows its files: {@link reload} takes what has changed, once it is whole
 * and fits together (a certificate that was replaced before its key does not), and until then the server goes on
 * with what it has. Connections that are open keep the certificate they were opened with.
 */
export class ServerCertificate {
  readonly #files: CertificateFiles;
  #loaded: Loaded;

  /** @throws CertificateError */
  constructor(files: CertificateFiles) {
    this.#files = files;
    this.#loaded = load(files);
  }

  /** For `https.createServer`. */
  get options(): SecureContextOptions & { requestCert: boolean; rejectUnauthorized: boolean } {
    const mutual = this.#files.clientCaFile !== undefined;
    return { ...this.#loaded.context, requestCert: mutual, rejectUnauthorized: mutual };
  }

  get expiresAtMs(): number {
    return this.#loaded.expiresAtMs;
  }

  /** Looks at the files; {@link CertificateError} says why they were refused. */
  reload(server: TlsServer): Exclude<ReloadOutcome, 'refused'> | CertificateError {
    let found: Loaded;
    try {
      found = load(this.#files);
    } catch (error) {
      if (error instanceof CertificateError) return error;
      throw error;
    }
    if (found.text === this.#loaded.text) return 'unchanged';
    server.setSecureContext(found.context);
    this.#loaded = found;
    return 'reloaded';
  }
}

interface Loaded {
  context: SecureContextOptions;
  /** All files as one, to tell whether they changed. */
  text: string;
  expiresAtMs: number;
}

function load({ certFile, keyFile, clientCaFile }: CertificateFiles): Loaded {
  const cert = read(certFile);
  const key = read(keyFile);
  const ca = clientCaFile === undefined ? undefined : read(clientCaFile);
  const certificate = parse(certFile, 'no certificate in PEM', () => new X509Certificate(cert));
  const privateKey = parse(keyFile, 'no private key in PEM', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new CertificateError(`${keyFile} is not the key of the certificate in ${certFile}`);
  if (clientCaFile !== undefined)
    parse(clientCaFile, 'no certificate in PEM', () => new X509Certificate(ca!));
  const context = { cert, key, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) } as const;
  parse(certFile, 'cannot be served with', () => createSecureContext(context));
  return { context, text: [cert, key, ca].join('\0'), expiresAtMs: certificate.validToDate.getTime() };
}

function read(file: string): string {
  return parse(file, 'cannot be read', () => readFileSync(file, 'utf8'));
}

/** Errors of the crypto library may quote what they read: only their code is told. */
function parse<T>(file: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code = 'unknown' } = error as { code?: string };
    throw new CertificateError(`${file}: ${what} (${code})`);
  }
}
