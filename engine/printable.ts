const CONTROL = /\p{Cc}/gu;
const CONTROL_EXCEPT_BREAKS = /(?!\n)\p{Cc}/gu;

/**
 * One line for a terminal, of text that others sent: control characters could clear the screen, change its title or look like lines of
 * our own, so they become spaces.
 */
export function printable(text: string): string {
  return text.replace(CONTROL, ' ');
}

/** The same, except that line breaks stay. */
export function printableLines(text: string): string {
  return text.replace(CONTROL_EXCEPT_BREAKS, ' ');
}
