/** Roles with what they are for, to choose from. */
export const roleChoices = [
  { value: 'viewer', name: 'viewer: reads' },
  { value: 'admin', name: 'admin: changes clusters and keys' },
  { value: 'owner', name: 'owner: also people and application keys' },
] as const;
