import { updateTenant } from '../../api/tenants/update.ts';
import { statusScreen } from '../parts/status.ts';

export const tenantStatus = statusScreen('/tenants/{id}', updateTenant);
