import { updateAgentKey } from '../../api/agent-keys/update.ts';
import { statusScreen } from '../parts/status.ts';

export const keyStatus = statusScreen('/agent-keys/{id}', updateAgentKey);
