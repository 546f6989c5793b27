import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { percentile } from '../replication/support/watching.ts';

const run = promisify(execFile);

/** The core of the load generator; whatever is measured runs on core 0. */
export const core = '1';

export interface WrkResult {
  /** Answered in all. */
  requests: number;
  requestsPerSecond: number;
  /** Answers that were neither 2xx nor 3xx. */
  refused: number;
  /** Answers whose body was none of `bodies`, where these were given. */
  wrong: number;
}

/**
 * wrk from one core, with another key for each request: `keys` must be shuffled. Socket errors are a failure.
 * Looking at every body (`bodies`) slows wrk down more than what is measured: it is for runs that are not timed.
 */
export async function wrk(options: {
  url: string;
  path: string;
  keys: readonly string[];
  dir: string;
  seconds: number;
  connections?: number;
  bodies?: readonly string[] | undefined;
  /** Sent with each request, which is a POST then. */
  sent?: string | undefined;
}): Promise<WrkResult> {
  const { url, path, keys, dir, seconds, connections = 32, bodies, sent } = options;
  const [list, known, script] = [
    join(dir, 'wrk-keys.txt'),
    join(dir, 'wrk-bodies.txt'),
    join(dir, 'wrk.lua'),
  ];
  writeFileSync(list, keys.join('\n'));
  if (bodies) writeFileSync(known, bodies.join('\n'));
  writeFileSync(
    script,
    `local requests, at = {}, 0
init = function()
  for key in io.lines("${list}") do
    requests[#requests + 1] = wrk.format("${sent ? 'POST' : 'GET'}", "${path}", { ["Authorization"] = "Bearer " .. key }${sent ? `, [[${sent}]]` : ''})
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
${bodies ? checkBodies(known) : ''}`,
  );
  const { stdout } = await run('taskset', [
    ...['-c', core, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url],
  ]);
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? 0);
  if (/Socket errors/.test(stdout)) throw new Error(`wrk had socket errors:\n${stdout}`);
  return {
    requests: number(/(\d+) requests in/),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    refused: number(/Non-2xx or 3xx responses: (\d+)/),
    wrong: number(/Wrong bodies: (\d+)/),
  };
}

function checkBodies(list: string): string {
  return `local known, threads = {}, {}
wrong = 0
for body in io.lines("${list}") do known[body] = true end
setup = function(thread) threads[#threads + 1] = thread end
response = function(status, headers, body)
  if not known[body] then wrong = wrong + 1 end
end
done = function()
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("wrong") end
  print("Wrong bodies: " .. sum)
end
`;
}

/** h2load at a fixed rate over HTTP/1.1: the times of its answers, milliseconds. */
export async function fixedRate(options: {
  url: string;
  key: string;
  dir: string;
  perSecond: number;
  seconds: number;
  clients?: number;
}): Promise<{ p50: number; p99: number; max: number; answers: number }> {
  const { url, key, dir, perSecond, seconds, clients = 16 } = options;
  const log = join(dir, 'h2load.log');
  writeFileSync(log, '');
  await run('taskset', [
    ...['-c', core, 'h2load', '--h1', '-c', String(clients), '-t', '1', '-D', String(seconds)],
    ...['--rps', String(Math.round(perSecond / clients)), '--log-file', log],
    ...['-H', `authorization: Bearer ${key}`, url],
  ]);
  const times = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([, status, micros]) => {
      if (status !== '200') throw new Error(`h2load was answered ${status}`);
      return Number(micros) / 1000;
    });
  return {
    ...{ p50: percentile(times, 0.5), p99: percentile(times, 0.99) },
    ...{ max: times.reduce((a, b) => Math.max(a, b), 0), answers: times.length },
  };
}
