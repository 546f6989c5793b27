import { inject } from 'vitest';

/** Asks the run's services (services-setup.ts) for something. @throws with what went wrong over there. */
export async function askServices<T>(method: 'POST' | 'DELETE', path: string): Promise<T> {
  const response = await fetch(`${inject('servicesUrl')}${path}`, { method });
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return (await response.json()) as T;
}
