import { updateApplicationKey } from '../../api/application-keys/update.ts';
import { statusScreen } from '../parts/status.ts';

export const applicationKeyStatus = statusScreen('/application-keys/{id}', updateApplicationKey, {
  followed: false,
});
