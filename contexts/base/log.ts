import { type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger };

/** Of buffered logs: written at so many bytes or so often, and let go where nobody takes that much. */
const gathering = { minLength: 8_192, periodicFlush: 1_000, maxLength: 4 * 1024 * 1024 };

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
  /** Lines are gathered and written a few at a time, so that nobody waits for the one who reads them. */
  buffered?: true;
}): Logger {
  const { service, region, worker } = options;
  const settings: LoggerOptions = {
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
  };
  return options.buffered ? pino(settings, pino.destination({ sync: false, ...gathering })) : pino(settings);
}
