import { gearsWithout } from '../../../plans/domain/gear-plan/contingency.ts';
import { allGears, type GearPlan, type Stage } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { decode } from '../../../plans/protocol/codec.ts';
import type { DeviceState, GearMessage, PrepareMessage } from '../../../plans/protocol/control-messages.ts';
import type { NetworkMessage } from './faulty-network.ts';
import { SUBJECTS } from './serving-processes.ts';

interface Heard {
  readonly messages: GearMessage[];
  /** Epoch of the last gear it was seen to act on. */
  actedOn: number;
}

/** Checks announcements of plans and gears, and how processes act on them: epochs only grow, and a number stands for one plan. */
export class GearWatch {
  readonly #violated: (what: string) => void;
  readonly #plans = new Map<number, GearPlan>();
  /** By process. */
  readonly #heard = new Map<string, Heard>();
  readonly #said = new Map<string, GearMessage>();
  readonly #meaning = new Map<number, string>();
  #last: GearMessage | undefined;
  /** The gear with the highest epoch. Rollbacks have new numbers, so revisions grow with epochs. */
  #newest: Pick<GearMessage, 'revision' | 'epoch'> = { revision: 0, epoch: 0 };
  /** The highest epoch anybody has heard of. */
  #highest = 0;

  constructor(plan: GearPlan, violated: (what: string) => void) {
    this.#plans.set(1, plan);
    this.#violated = violated;
  }

  /** Of the last gear put in force. */
  get revision(): number {
    return this.#last?.revision ?? 0;
  }

  /** All cascades that a gear may stand for; those for the loss of a device have their own numbers. */
  cascadesOf(revision: number, gear: number): readonly (readonly Stage[])[] {
    const plan = this.#plans.get(revision);
    if (plan === undefined) return [];
    const tables = [plan, ...plan.devices.flatMap((device) => gearsWithout(plan, device) ?? [])];
    return tables.map(allGears).flatMap((gears) => (gear < gears.length ? [gears[gear].cascade] : []));
  }

  /** A process, or its actor, has restarted and knows nothing. */
  started(process: string): void {
    this.#heard.set(process, { messages: [], actedOn: 0 });
    this.#said.delete(process);
  }

  published(process: string, { subject, data }: NetworkMessage): void {
    if (subject === SUBJECTS.prepare) this.#learn(process, decode<PrepareMessage>(data));
    if (subject !== SUBJECTS.gear) return;
    const message = decode<GearMessage>(data);
    const before = this.#said.get(process);
    if (before !== undefined && message.epoch < before.epoch)
      this.#violated(`${process} goes from epoch ${before.epoch} back to ${message.epoch}`);
    this.#said.set(process, message);
    this.#last = message;
    if (message.epoch >= this.#newest.epoch) {
      if (message.revision < this.#newest.revision)
        this.#violated(`${process} goes from revision ${this.#newest.revision} back to ${message.revision}`);
      this.#newest = message;
    }
    const meaning = `${message.revision} ${message.gear} ${message.lost}`;
    const known = this.#meaning.get(message.epoch);
    if (known !== undefined && known !== meaning)
      this.#violated(`${process} says ${meaning} as epoch ${message.epoch}, after ${known}`);
    this.#meaning.set(message.epoch, meaning);
  }

  delivered(process: string, { subject, data }: NetworkMessage): void {
    if (subject !== SUBJECTS.gear) return;
    const message = decode<GearMessage>(data);
    this.#highest = Math.max(this.#highest, message.epoch);
    this.#heardBy(process).messages.push(message);
  }

  /** A process shows which gear it acts on: one it has received, and never older than the previous one. */
  actedOn(process: string, { revision, gear }: Pick<DeviceState, 'revision' | 'gear'>): void {
    const heard = this.#heardBy(process);
    const epochs = heard.messages
      .filter((message) => message.revision === revision && message.gear === gear && message.epoch >= heard.actedOn)
      .map(({ epoch }) => epoch);
    if (epochs.length > 0) heard.actedOn = Math.min(...epochs);
    else if (heard.actedOn !== 0 || gear !== 0)
      this.#violated(`${process} acts on gear ${gear} of revision ${revision}, after that of epoch ${heard.actedOn}`);
  }

  /** Once all is quiet, everybody acts on the last announcement. */
  atEnd(devices: readonly DeviceState[]): void {
    const last = this.#last;
    if (last === undefined) {
      this.#violated('no controller has ever led');
      return;
    }
    if (last.epoch < this.#highest)
      this.#violated(`epoch ${last.epoch} was said last, which whoever has heard of ${this.#highest} ignores`);
    for (const { device, revision, gear } of devices) {
      if (revision !== last.revision || gear !== last.gear)
        this.#violated(`device ${device} acts on gear ${gear} of ${revision} while ${last.gear} of ${last.revision} is in force`);
    }
  }

  #learn(process: string, { revision, plan }: PrepareMessage): void {
    const known = this.#plans.get(revision);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(plan))
      this.#violated(`${process} tells of another plan as revision ${revision}`);
    this.#plans.set(revision, plan);
  }

  #heardBy(process: string): Heard {
    const heard = this.#heard.get(process) ?? { messages: [], actedOn: 0 };
    this.#heard.set(process, heard);
    return heard;
  }
}
