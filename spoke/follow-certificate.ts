import type { Server as TlsServer } from 'node:https';
import { type Clock, timestamp } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import { ConfigurationError } from '../contexts/base/options.ts';
import { CertificateError, ServerCertificate } from './certificate.ts';
import type { GatewayConfig } from './config.ts';
import type { GatewayMetrics } from './metrics.ts';

/**
 * The certificate that is configured, if one is.
 * @throws ConfigurationError naming the file that is wrong
 */
export function certificateOf(config: GatewayConfig): ServerCertificate | undefined {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsClientCaFile: clientCaFile } = config;
  if (certFile === undefined || keyFile === undefined) return undefined;
  try {
    return new ServerCertificate({ certFile, keyFile, clientCaFile });
  } catch (error) {
    if (error instanceof CertificateError) throw new ConfigurationError([error.message]);
    throw error;
  }
}

/** The loop that takes new certificates from the files, and says in log and metrics what came of it. */
export function followCertificate(
  parts: {
    certificate: ServerCertificate;
    server: TlsServer;
    metrics: GatewayMetrics;
    clock: Clock;
    log: Logger;
  },
  everyMs: number,
): Loop {
  const { certificate, server, metrics, clock, log } = parts;
  metrics.watchCertificate(certificate);
  return new Loop({
    name: 'certificate',
    clock,
    everyMs,
    turn: async () => {
      const outcome = certificate.reload(server);
      if (outcome instanceof CertificateError) {
        metrics.certificateLooked('refused');
        log.error(
          { reason: outcome.message },
          'the certificate files cannot be served; what is served stays',
        );
        return;
      }
      metrics.certificateLooked(outcome);
      if (outcome === 'reloaded')
        log.info({ expiresAt: timestamp(certificate.expiresAtMs) }, 'serving the new certificate');
    },
    onError: (error) => log.error({ err: error }, 'looking at the certificate failed by a mistake of ours'),
  });
}
