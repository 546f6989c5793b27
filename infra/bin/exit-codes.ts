/** What the command ends with, beside what its words say: as in sysexits(3) where that has a code. */
export const exitCodes = {
  done: 0,
  /** Something that nobody planned for, or a command that was given wrong. */
  failed: 1,
  /** The hub refused: it says why. */
  refused: 2,
  /** `diff`: there is something to change. As `terraform plan -detailed-exitcode`; no refusal of a hub ends it so. */
  changes: 2,
  /** It would have destroyed something, and nobody said yes. */
  unconfirmed: 3,
  /** `explain`: the gateway refuses the agent key. */
  keyRefused: 4,
  /** What was given is no id of an agent key (`explain`). */
  noId: 64,
  /** There is no such thing. */
  absent: 66,
  /** The hub does not answer, or answers that it cannot now. The same command again may work. */
  unreachable: 69,
  /** Not yet, within the time given. The same command again goes on. */
  notYet: 75,
  /** The application key is refused, or may not do this. */
  forbidden: 77,
  /** The configuration has mistakes; each is named. */
  configuration: 78,
  /** Ctrl-C. What was begun at the hub goes on there. */
  interrupted: 130,
} as const;

/** As docs/reference/cli.md prints them. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'Done.',
  failed: 'The command was given wrong, something failed that nobody planned for, or `doctor` found a fault.',
  refused: 'The hub refuses the request, and says why. Nothing was changed.',
  changes: '`diff`: there is something to change. (A refusal of the hub is 1 there.)',
  unconfirmed: 'It would have destroyed something, and nobody confirmed. Nothing was changed.',
  keyRefused: 'The gateway refuses the agent key (`explain`).',
  noId: 'What was given is no id of an agent key (`explain`).',
  absent: 'There is no such thing, or it is not for this key to see.',
  unreachable: 'The hub does not answer, or cannot now. The same command again may work.',
  notYet: 'Not within the time given, or others were changing the same. The same command again goes on.',
  forbidden: 'The application key is refused, or may not do this.',
  configuration: 'The configuration has mistakes; each is named.',
  interrupted: 'Ctrl-C, or SIGTERM to `apply`. What was begun at the hub goes on there.',
};

/** What to do about a problem of the hub's, where a command of ours helps. */
export function adviceFor(code: string): string | undefined {
  return advice[code];
}

const advice: Readonly<Record<string, string>> = {
  UNAUTHENTICATED:
    'Is it the key of this hub, and still active? `spokecast login` keeps another; `spokecast profiles list` shows which is used.',
  FORBIDDEN: 'Ask with a key of a higher role (`--key-file`, `--profile`).',
  EVENTS_EXPIRED:
    '`spokecast events` begins anew; `spokecast audit-log list` has what was changed meanwhile.',
  PRECONDITION_FAILED:
    'Somebody else changed it: look at it again, then repeat without --if-match or with the new ETag.',
  REGION_UNKNOWN: '`spokecast regions list` lists the regions.',
  REGION_IN_USE: '`spokecast clusters list --region <id>` lists what is placed there.',
  TENANT_HAS_CLUSTERS:
    '`spokecast clusters list --tenant-id <id>` lists them; `--cascade true` deletes them too.',
  PLAN_CHANGED: '`spokecast sweep <region> --watch`, then look at `spokecast holds list <region>` again.',
  IDEMPOTENCY_KEY_REUSED: 'Give another --idempotency-key, or none.',
  DATABASE_UNAVAILABLE:
    'Whether the change was made is unknown: look, or repeat with the same --idempotency-key.',
};
