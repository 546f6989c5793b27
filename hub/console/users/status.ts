import { updateUser } from '../../api/users/update.ts';
import { statusScreen } from '../parts/status.ts';

export const userStatus = statusScreen('/users/{id}', updateUser, { followed: false });
