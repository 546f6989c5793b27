import { StoreError, type StoreErrorCode } from '../store.ts';

const throttling = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'LimitExceededException',
]);

/** Which of our codes an error of the SDK is. What cannot be told is taken for a fault that may pass. */
function codeOf(error: unknown): StoreErrorCode {
  const { name = '', $metadata } = (error ?? {}) as {
    name?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? 0;
  if (name === 'ResourceNotFoundException') return 'STORE_NOT_INITIALISED';
  if (throttling.has(name) || status === 429) return 'STORE_THROTTLED';
  // 408 and 425 say "later". Everything else below 500 would be said again.
  const refused = status >= 400 && status < 500 && status !== 408 && status !== 425;
  return refused || name === 'CredentialsProviderError' ? 'STORE_REFUSED' : 'STORE_UNAVAILABLE';
}

/** An error of the SDK as ours; one that is ours already stays as it is. */
export function storeErrorOf(operation: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { name, message } = error instanceof Error ? error : { name: 'error', message: String(error) };
  return new StoreError(codeOf(error), `${operation}: ${name}: ${message}`, { cause: error });
}
