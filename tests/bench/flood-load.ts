import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { percentile } from '../replication/support/watching.ts';

const run = promisify(execFile);
const floodMain = fileURLToPath(new URL('./support/flood-main.ts', import.meta.url));

/** The core of everything but the gateway. */
export const loadCore = '1';
/** Who means ill has machines of his own: he takes only what the store and the known clients leave of that core. */
const illMeaning = ['nice', '-n', '19'];

export interface FloodResult {
  perSecond: number;
  answers: string;
}

/** Every key is another one, made in Lua: a list would be asked for twice. */
const madeUpKeys = `
local bit = require("bit")
local crockford, base62 = "0123456789abcdefghjkmnpqrstvwxyz", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local crc = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = bit.band(c, 1) == 1 and bit.bxor(0xedb88320, bit.rshift(c, 1)) or bit.rshift(c, 1) end
  crc[i] = c
end
local function pick(letters, count, out)
  for _ = 1, count do
    local at = math.random(#letters)
    out[#out + 1] = letters:sub(at, at)
  end
end
local function key()
  local out = { "spk_" }
  pick(crockford, 26, out)
  out[#out + 1] = "_"
  pick(base62, 43, out)
  local body = table.concat(out)
  local c = -1
  for i = 1, #body do c = bit.bxor(crc[bit.band(bit.bxor(c, body:byte(i)), 255)], bit.rshift(c, 8)) end
  return body .. "_" .. bit.tohex(bit.bnot(c))
end
`;

/** wrk at about that rate: each connection waits between two requests. From one address. */
export async function wrkFlood(options: {
  url: string;
  kind: 'unknown' | 'malformed';
  perSecond: number;
  seconds: number;
  dir: string;
}): Promise<FloodResult> {
  const { url, kind, perSecond, seconds, dir } = options;
  const connections = 100;
  const script = join(dir, `flood-${kind}.lua`);
  const shown = kind === 'unknown' ? 'key()' : '"spk_" .. math.random(1e15)';
  writeFileSync(
    script,
    `${madeUpKeys}
math.randomseed(os.time())
local every, began, sent = ${((connections / perSecond) * 1_000).toFixed(3)}, nil, 0
function request()
  return wrk.format("GET", "/v1/authenticate", { ["authorization"] = "Bearer " .. ${shown} })
end
function delay() return math.floor(every + math.random()) end
local counts = {}
threads = {}
function setup(thread) table.insert(threads, thread) end
function response(status)
  counts[status] = (counts[status] or 0) + 1
  told = ""
  if counts[status] % 100 == 1 then
    for status, count in pairs(counts) do told = told .. status .. "=" .. count .. " " end
    said = told
  end
end
function done() for _, thread in ipairs(threads) do print("answers: " .. thread:get("said")) end end
`,
  );
  const { stdout } = await run('taskset', [
    ...['-c', loadCore, ...illMeaning, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url],
  ]);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
    answers: /answers: (.*)/.exec(stdout)?.[1]?.trim() ?? '',
  };
}

/** The other clients, in a process of their own. Resolves once they are connected; `over` with what came of it. */
export async function clients(options: {
  url: string;
  what: 'unknown' | 'slow' | 'idle' | 'big-headers';
  addresses: number;
  perSecond: number;
  seconds: number;
  children: ChildProcess[];
}): Promise<{ over: Promise<Record<string, number>> }> {
  const { url, what, addresses, perSecond, seconds, children } = options;
  const args = [floodMain, url, what, String(addresses), String(perSecond), String(seconds)];
  const child = spawn('taskset', ['-c', loadCore, ...illMeaning, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const over = once(child, 'exit').then(() => JSON.parse(text) as Record<string, number>);
  await Promise.race([once(child.stderr, 'data'), over]);
  return { over };
}

export interface HotResult {
  offered: number;
  answered: number;
  failed: number;
  p50: number;
  p99: number;
}

/** h2load at a fixed rate: a known key for each of its processes. */
export async function hot(options: {
  url: string;
  keys: readonly string[];
  perSecond: number;
  seconds: number;
  dir: string;
}): Promise<HotResult> {
  const { url, keys, perSecond, seconds, dir } = options;
  const clientsEach = 10;
  const logs = await Promise.all(
    keys.map(async (key, at) => {
      const log = join(dir, `hot-${at}.log`);
      writeFileSync(log, '');
      const rps = Math.max(1, Math.round(perSecond / keys.length / clientsEach));
      await run('taskset', [
        ...['-c', loadCore, 'h2load', '--h1', '-c', String(clientsEach), '-t', '1', '-D', String(seconds)],
        ...['--rps', String(rps), '--log-file', log],
        ...['-H', `authorization: Bearer ${key}`, `${url}/v1/authenticate`],
      ]);
      return readFileSync(log, 'utf8');
    }),
  );
  const answers = logs
    .flatMap((log) => log.trim().split('\n'))
    .filter(Boolean)
    .map((line) => line.split('\t'));
  const times = answers.map(([, , micros]) => Number(micros) / 1_000);
  return {
    offered: perSecond * seconds,
    answered: answers.length,
    failed: answers.filter(([, status]) => status !== '200').length,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
  };
}
