import { parentPort, workerData } from 'node:worker_threads';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { lock } from '../../infra/bin/platform/lock.ts';

/** Takes the lock whenever the round begins, and lets go when it is told to. */
const { path, round } = workerData as { path: string; round: Int32Array };
let taken: Disposable | undefined;

parentPort!.on('message', (message: { begun: number } | 'let go') => {
  if (message === 'let go') {
    taken?.[Symbol.dispose]();
    taken = undefined;
    parentPort!.postMessage('let go');
    return;
  }
  parentPort!.postMessage('ready');
  Atomics.wait(round, 0, message.begun - 1); // so that all of them begin in the same instant
  try {
    taken = lock(path);
    parentPort!.postMessage('taken');
  } catch (error) {
    parentPort!.postMessage(error instanceof ConfigurationError ? 'refused' : String(error));
  }
});
