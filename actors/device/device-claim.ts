import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';

/** A rival must send heartbeats for this long. Delayed ones of a process that exited or was paused arrive all at once. */
const SEEN_FOR_MS = 250;

/**
 * Decides which of the processes that run the same device stays. Either they started at the same time, or one was away (paused, cut off)
 * and has been replaced. All receive each other's heartbeats and reach the same conclusion, without synchronised clocks or a store: the
 * one that was away less often stays; in a tie, the one whose claim sorts first. All devices run by one `serve` share a claim, so it keeps
 * all of them or none.
 */
export class DeviceClaim {
  readonly id: string;
  #absences = 0;
  /** Per claim, how often one of its devices was away, as heard lately. */
  readonly #heard = new Map<string, { readonly absences: number; readonly at: number }>();
  /** By claim, because the heartbeats of several rivals alternate. */
  readonly #rivals = new Map<string, { readonly seenSince: number; seenAt: number }>();

  constructor(id: string) {
    this.id = id;
  }

  /**
   * How often this process was away for so long that it may have been replaced, or another one with the same claim: if each device
   * counted for itself, two processes could both leave, each for a different device.
   */
  get absences(): number {
    return this.#absencesOf(this.id, this.#absences);
  }

  /** This process was paused or cut off, so what it knows about others is outdated. */
  away(): void {
    this.#absences++;
    this.#rivals.clear();
  }

  /** A heartbeat of any device. */
  hear({ claim, absences }: Pick<DeviceState, 'claim' | 'absences'>, now: number): void {
    for (const [id, { at }] of this.#heard) if (now - at > DEVICE_LOST_AFTER_MS) this.#heard.delete(id);
    this.#heard.set(claim, { absences: this.#absencesOf(claim, absences), at: now });
  }

  #absencesOf(claim: string, atLeast: number): number {
    return Math.max(atLeast, this.#heard.get(claim)?.absences ?? 0);
  }

  /**
   * Processes a heartbeat of this device.
   * @param ready whether this process serves the device; if so, it stays until the rival serves it, too.
   * @returns true when it comes from another process and this one has to leave.
   */
  losesTo({ claim, absences, phase }: DeviceState, ready: boolean, now: number): boolean {
    if (claim === this.id) return false;
    if (phase === 'left' || phase === 'draining') this.#rivals.delete(claim);
    else if (now - this.#seenSince(claim, now) >= SEEN_FOR_MS && (phase === 'ready' || !ready))
      return this.#yieldsTo(claim, this.#absencesOf(claim, absences));
    return false;
  }

  #yieldsTo(claim: string, absences: number): boolean {
    return this.absences === absences ? claim < this.id : absences < this.absences;
  }

  #seenSince(claim: string, now: number): number {
    // A lost rival has probably exited, so its time starts again.
    for (const [id, { seenAt }] of this.#rivals) if (now - seenAt > DEVICE_LOST_AFTER_MS) this.#rivals.delete(id);
    const rival = this.#rivals.get(claim) ?? { seenSince: now, seenAt: now };
    rival.seenAt = now;
    this.#rivals.set(claim, rival);
    return rival.seenSince;
  }
}
