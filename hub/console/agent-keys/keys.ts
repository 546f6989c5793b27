import type { z } from 'zod';
import type { AgentKey, AgentKeyCreated } from '../../api/agent-keys/agent-key.ts';
import type { AgentKeyListed } from '../../api/agent-keys/use.ts';

export type KeyView = z.infer<typeof AgentKey>;
export type KeyListed = z.infer<typeof AgentKeyListed>;
export type KeyCreated = z.infer<typeof AgentKeyCreated>;
