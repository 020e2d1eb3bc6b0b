import { expect, test } from 'vitest';
import { ConfigError } from '../../../../../engine/errors.ts';
import { escapeVariables, expandVariables, fromEnvironment } from '../../../../../plans/domain/deployment/from-environment.ts';

const environment = { USER_NAME: 'operator', EMPTY: '', TRICKY: `$& \${USER_NAME}` };

test.each([
  ['plain', 'plain'],
  ['$HOME and {x}', '$HOME and {x}'],
  [`\${USER_NAME}`, 'operator'],
  [`_INBOX.\${USER_NAME}\${EMPTY}`, '_INBOX.operator'],
  [`\${TRICKY}`, environment.TRICKY],
  [`$\${USER_NAME} of \${USER_NAME}`, `\${USER_NAME} of operator`],
  [`$\${not a name}`, `$\${not a name}`],
  [undefined, undefined],
])('%s becomes %s', (text, expected) => {
  expect(fromEnvironment('nats.user', text, environment)).toBe(expected);
});

test('an unset variable is named, with the field', () => {
  expect(() => fromEnvironment('nats.password', `\${SECRET}`, environment)).toThrow(
    new ConfigError('nats.password: the environment variable SECRET is not set; set it, or write the value'),
  );
});

test.each([`a \${USER_NAME} b \${EMPTY}`, `$\${USER_NAME}`, `$$\${USER_NAME}`, '$HOME', 'plain'])(
  '%s is escaped so that it expands to itself',
  (text) => {
    expect(expandVariables(escapeVariables(text), environment)).toEqual({ text, unset: [] });
    expect(escapeVariables({ a: [text, 1, null] })).toEqual({ a: [escapeVariables(text), 1, null] });
  },
);
