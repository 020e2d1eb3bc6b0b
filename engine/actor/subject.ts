/** One token of a subject, as names are that become part of one. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** Characters that NATS forbids in a subject to publish on: white space, wildcards, empty tokens. */
const PUBLISHABLE = /^[^\s.*>]+(\.[^\s.*>]+)*$/;
const SUBJECT_MAX_LENGTH = 512;

export function isPublishable(subject: string): boolean {
  return subject.length <= SUBJECT_MAX_LENGTH && PUBLISHABLE.test(subject);
}
