import type { z } from 'zod';
import type { AgentKey, AgentKeyCreated } from '../../api/agent-keys/agent-key.ts';

export type KeyView = z.infer<typeof AgentKey>;
export type KeyCreated = z.infer<typeof AgentKeyCreated>;
