import type { DeviceState } from '../../plans/protocol/control-messages.ts';

/** A rival must send heartbeats for this long. Delayed ones of a process that exited or was paused arrive all at once. */
const SEEN_FOR_MS = 250;

/**
 * Decides which of two processes that run the same device stays. Either they started at the same time, or one was away (paused, cut off)
 * and has been replaced. Both receive each other's heartbeats and reach the same conclusion, without synchronised clocks or a store: the
 * one that was away less often stays; in a tie, the one whose claim sorts first. All devices run by one `serve` share a claim, so it keeps
 * all of them or none.
 */
export class DeviceClaim {
  readonly id: string;
  #absences = 0;
  #rival: { readonly id: string; readonly seenSince: number } | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** How often this process was away for so long that it may have been replaced. */
  get absences(): number {
    return this.#absences;
  }

  /** This process was paused or cut off, so what it knows about others is outdated. */
  away(): void {
    this.#absences++;
    this.#rival = undefined;
  }

  /**
   * Processes a heartbeat of this device.
   * @param ready whether this process serves the device; if so, it stays until the rival serves it, too.
   * @returns true when it comes from another process and this one has to leave.
   */
  losesTo({ claim, absences, phase }: DeviceState, ready: boolean, now: number): boolean {
    if (claim === this.id || phase === 'left' || phase === 'draining') return false;
    if (this.#rival?.id !== claim) this.#rival = { id: claim, seenSince: now };
    if (now - this.#rival.seenSince < SEEN_FOR_MS) return false;
    if (ready && phase !== 'ready') return false;
    return this.#absences === absences ? claim < this.id : absences < this.#absences;
  }
}
