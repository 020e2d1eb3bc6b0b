type Phase = 'starting' | 'ready' | 'draining';

let current: Phase = 'starting';

/** Of this process as a whole. */
export function phase(): Phase {
  return current;
}

export function setPhase(now: Phase): void {
  current = now;
}
