import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCertificates } from './certificates.ts';

export const ROLES = ['client', 'operator', 'internal'] as const;
export type Role = (typeof ROLES)[number];

/** The environment that conf/nats reads its passwords from. */
export const PASSWORDS: Readonly<Record<string, string>> = Object.fromEntries(
  ROLES.map((role) => [`CASCADE_${role.toUpperCase()}_PASSWORD`, `secret-of-${role}`]),
);

/** Credentials of a role for a server of conf/nats. */
export function credentialsOf(role: Role): { user: string; password: string; inboxPrefix: string } {
  return { user: role, password: `secret-of-${role}`, inboxPrefix: `_INBOX.${role}` };
}

/** Writes a copy of conf/nats whose `secure.conf` is server.conf with tls.conf, and certificates next to it. */
export function writeSecureConf(): { folder: string; environment: Readonly<Record<string, string>> } {
  const folder = mkdtempSync(join(tmpdir(), 'cascade-secure-'));
  cpSync('conf/nats', folder, { recursive: true });
  writeFileSync(join(folder, 'secure.conf'), 'include server.conf\ninclude tls.conf\n');
  writeCertificates(folder);
  return {
    folder,
    environment: { CASCADE_TLS_CERT: join(folder, 'server.pem'), CASCADE_TLS_KEY: join(folder, 'server.key') },
  };
}
