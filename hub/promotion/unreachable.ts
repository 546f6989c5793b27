/** Regions that must be asked do not answer. */
export class RegionsUnreachableError extends Error {
  override name = 'RegionsUnreachableError';
  readonly exitCode = 69;
  readonly code = 'REGIONS_UNREACHABLE';
  readonly regions: readonly { id: string; why: string }[];

  constructor(unreachable: readonly { id: string; why: string }[]) {
    const flags = unreachable.map(({ id }) => `--without ${id}`).join(' ');
    super(
      `${unreachable.length === 1 ? 'a region' : `${unreachable.length} regions`} could not be asked: ` +
        `${unreachable.map(({ id, why }) => `${id} (${why})`).join(', ')}. Nothing was changed. ` +
        `Wait until they answer; or, where one is lost for good, go on with ${flags}: ` +
        'what was revoked after the backup and is known there alone comes back to life.',
    );
    this.regions = unreachable;
  }
}
