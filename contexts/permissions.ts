/**
 * The name of a permission, as the hub takes it and as gateways are asked for it. Compared as it is: `*` stands for
 * itself. Neither comma nor space is in it, because gateways hand permissions on in lists.
 */
export const permissionName = /^[a-zA-Z0-9_.:*/-]{1,64}$/;
export const permissionNameRule = 'must have 1 to 64 characters of a-z, A-Z, 0-9 and _ . : * / -';
/** Permissions of one key at the most. */
export const permissionsMax = 64;
