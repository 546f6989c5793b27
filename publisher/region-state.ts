/** See {@link Region} for what leads from one to another. */
export type RegionState = 'opening' | 'open' | 'behind' | 'refused' | 'ahead';
export const regionStates: readonly RegionState[] = ['opening', 'open', 'behind', 'refused', 'ahead'];
