import { spawn } from 'node:child_process';
import { guarded } from './guarded.ts';

/** A test's process, run by guarded.test.ts to be ended. Says the id of a process that it has started, and one that that one has. */
const patient = 'setInterval(() => {}, 1000)';
const script = `const { spawn } = require('node:child_process');
const inner = spawn(process.execPath, ['-e', ${JSON.stringify(patient)}]);
console.log(process.pid, inner.pid); ${patient}`;
guarded(spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'ignore'], detached: true }));
setInterval(() => {}, 1000);
