import { updateRegion } from '../../api/regions/update.ts';
import { statusScreen } from '../parts/status.ts';

export const regionStatus = statusScreen('/regions/{id}', updateRegion, { followed: false });
