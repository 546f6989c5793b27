import { canonicalJson } from '../../contexts/envelope.ts';
import { kinds } from '../../contexts/kinds/index.ts';
import { encodeVersion } from '../../contexts/revision.ts';
import type { Build, Draft } from '../../hub/db/builders/index.ts';

/** What a hub in memory drafts of content that it builds as `build`, valid or not. */
export function draftOf(build: Build, head: { epoch: number; revision: number; body: unknown }): Draft {
  const { kind, key } = build.ref;
  const { epoch, revision, body } = head;
  return {
    key,
    version: encodeVersion({ epoch, revision, schemaVersion: kinds[kind].schemaVersion }),
    bodyText: canonicalJson(body),
    build: () => build,
  };
}
