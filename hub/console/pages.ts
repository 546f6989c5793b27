import { servedFile } from './files.ts';
import type { Page } from './page.ts';
import { screenPage } from './screen-page.ts';
import { screens } from './screens.ts';
import { accountPage } from './sign-in/account.ts';
import {
  changePasswordForm,
  chooseScopeForm,
  endSessionForm,
  endSessionsForm,
} from './sign-in/account-forms.ts';
import {
  commandLineForm,
  commandLineKey,
  commandLineKeyEnd,
  commandLinePage,
} from './sign-in/command-line.ts';
import { invitationForm, invitationPage } from './sign-in/invitation.ts';
import { makeKeyForm, revokeKeyForm } from './sign-in/key-forms.ts';
import { login, loginPage } from './sign-in/login.ts';
import { logout } from './sign-in/logout.ts';
import { oidcCallback, oidcLink, oidcStart } from './sign-in/oidc.ts';
import { passwordResetForm, passwordResetPage } from './sign-in/password-reset.ts';
import { setUpForm, setUpPage } from './sign-in/set-up.ts';
import { themeChoice } from './theme.ts';

/** Every page of the console, and what their forms are sent to. */
export const pages: readonly Page[] = [
  ...[loginPage, login, logout, oidcStart, oidcCallback, oidcLink],
  ...[setUpPage, setUpForm, invitationPage, invitationForm, passwordResetPage, passwordResetForm],
  ...[commandLinePage, commandLineForm, commandLineKey, commandLineKeyEnd, makeKeyForm, revokeKeyForm],
  ...[accountPage, changePasswordForm, chooseScopeForm, endSessionForm, endSessionsForm],
  ...[servedFile, themeChoice],
  ...screens.map(screenPage),
];
