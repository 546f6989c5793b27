import { html } from 'hono/html';
import { timestamp } from '../../../contexts/base/clock.ts';
import { passwordFault, passwordLength } from '../../auth/passwords.ts';
import { name as nameSchema } from '../../http/fields.ts';
import type { Form } from '../../http/form.ts';
import type { Services } from '../../services.ts';
import type { Html } from '../layout.ts';

/** What is wrong with what somebody entered, said above the form. */
export function faults(messages: readonly string[]): Html | '' {
  if (messages.length === 0) return '';
  return html`<div role="alert"><ul>${messages.map((message) => html`<li>${message}</li>`)}</ul></div>`;
}

export function emailField(value: string): Html {
  return html`<p><label for="email">Email address</label><br>
<input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${value}"></p>`;
}

export function nameField(value: string): Html {
  return html`<p><label for="name">Your name</label><br>
<input id="name" name="name" autocomplete="name" required maxlength="120" value="${value}"></p>`;
}

export function newPasswordField(): Html {
  return html`<p><label for="password">New password</label><br>
<input id="password" name="password" type="password" autocomplete="new-password" required aria-describedby="password-rule"></p>
<p id="password-rule">At least ${passwordLength.least} characters. Any will do: a few words are fine.</p>`;
}

export function passwordField(label: string, name = 'password', id = name): Html {
  return html`<p><label for="${id}">${label}</label><br>
<input id="${id}" name="${name}" type="password" autocomplete="current-password" required></p>`;
}

/** Tells password managers whose password it is. Without a name it is not sent, and can be taken for no field of a form. */
export function hiddenEmail(value: string): Html {
  return html`<input type="email" autocomplete="username" value="${value}" readonly hidden>`;
}

export function hiddenToken(token: string): Html {
  return html`<input type="hidden" name="token" value="${token}">`;
}

/** The way to the OpenID provider, where there is one. A link, because forms may be sent to us alone. */
export function providerLink({ oidc }: Pick<Services, 'oidc'>, query: string): Html | '' {
  if (!oidc) return '';
  return html`<p><a href="/login/oidc?${query}">Continue with ${oidc.provider.settings.name}</a></p>`;
}

/** The name and password that a form gives, with everything that is wrong with them. */
export function readNewAccount(
  form: Form,
  email: string,
): { name: string; password: string; wrong: string[] } {
  const name = nameSchema.safeParse(form.get('name'));
  const password = form.get('password');
  const fault = passwordFault(password, email);
  const wrong = [
    ...(name.success ? [] : [`Your name ${name.error.issues[0]!.message}.`]),
    ...(fault === undefined ? [] : [`The password ${fault}.`]),
  ];
  return { name: name.success ? name.data : form.get('name'), password, wrong };
}

/** A time as people read it. */
export function moment(at: Date): Html {
  const text = timestamp(at.getTime());
  return html`<time datetime="${text}">${text.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
