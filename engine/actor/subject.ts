/** What a name must match to be used as a token of a subject. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
/** Said of a name that does not. */
export const NO_SUBJECT_TOKEN = 'cannot be a token of a NATS subject; use 1-64 letters, digits, _ or -';

/** Subjects to publish on: NATS forbids white space, wildcards and empty tokens in them. */
const PUBLISHABLE = /^[^\s.*>]+(\.[^\s.*>]+)*$/;
const SUBJECT_MAX_LENGTH = 512;

export function isPublishable(subject: string): boolean {
  return subject.length <= SUBJECT_MAX_LENGTH && PUBLISHABLE.test(subject);
}
