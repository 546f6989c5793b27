import { type Logger, pino } from 'pino';

export type { Logger };

/**
 * The log of one process: JSON lines on standard output, one event a line.
 *
 * Values under names that carry secrets are replaced before they are written (law 10). That is a net below the
 * rule, which is that no secret is handed to a logger in the first place.
 */
export function createLogger(options: {
  service: string;
  level: string;
  region?: string;
  /** Which of several processes of one service this is. */
  worker?: number | undefined;
}): Logger {
  const { service, region, worker } = options;
  return pino({
    level: options.level,
    base: { service, ...(region ? { region } : {}), ...(worker === undefined ? {} : { worker }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        'secret',
        '*.secret',
        'authorization',
        '*.authorization',
        'headers.cookie',
        'verifier',
        '*.verifier',
        'password',
        '*.password',
      ],
      censor: '[secret]',
    },
  });
}
