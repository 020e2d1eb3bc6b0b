import { createHash } from 'node:crypto';
import { subjectOf } from '../../engine/actor/channel.ts';
import { isPublishable, SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import { invalid } from '../../engine/errors.ts';
import { PATTERNS } from './subject-patterns.ts';

/** Every subject of a deployment, in one place. `prefix` is `cascade` unless the deployment says otherwise. */
export interface Subjects {
  readonly root: string;
  readonly infer: string;
  readonly results: string;
  namedResults(name: string): string;
  work(device: string, model: string): string;
  /** For all replicas of one device. */
  deviceWork(device: string): string;
  /** Any device -> one that holds the most accurate model: an answer to be audited in spare time. */
  audit(device: string): string;
  done(frontend: string): string;
  /** Frontend -> all frontends: tokens of cancelled requests; then frontend -> device that holds some of them. */
  readonly cancel: string;
  deviceCancel(device: string): string;
  load(frontend: string): string;
  state(device: string): string;
  readonly allLoad: string;
  readonly allState: string;
  readonly gear: string;
  /** Operators' orders to hold a gear. */
  readonly pin: string;
  /** Operators' plans; then the two phases of a plan change. */
  readonly plan: string;
  readonly prepare: string;
  /** For processes that hear of an unknown plan: asks the plan-keeper to announce it again, as when it was prepared. */
  readonly tellPlan: string;
  readonly prepared: string;
  readonly commit: string;
  readonly abort: string;
  readonly status: string;
  readonly events: string;
  /** Requests that are stored before they are served, if the deployment has durable ingress. */
  readonly durable: string;
  /** Stored requests that could not be served. */
  readonly dead: string;
  /** Drift-monitor -> status: how far load and certainties are from the plan. */
  readonly drift: string;
}

/** The JetStream streams of a deployment with durable ingress. */
export interface DurableStreams {
  readonly requests: string;
  readonly dead: string;
  /** Answers on the results subjects. */
  readonly answers: string;
}

export function durableStreamsOf(deployment: string, prefix = 'cascade'): DurableStreams {
  const root = storeName(deployment, prefix);
  return { requests: `${root}_durable`, dead: `${root}_dead`, answers: `${root}_answers` };
}

/** The key-value buckets of a deployment. */
export interface Buckets {
  readonly plans: string;
  readonly lease: string;
}

export function bucketsOf(deployment: string, prefix = 'cascade'): Buckets {
  const root = storeName(deployment, prefix);
  return { plans: root, lease: `${root}_lease` };
}

/**
 * Names of streams and buckets cannot contain dots. When prefix and deployment could be split in more than one way, or look like
 * another store's name (`x_y`, `x_lease`), a digest makes the name unique.
 */
function storeName(deployment: string, prefix: string): string {
  const joined = `${prefix}_${deployment}`;
  if (!prefix.includes('_') && !deployment.includes('_')) return joined;
  return `${joined}_${createHash('sha256').update(`${prefix}.${deployment}`).digest('hex').slice(0, 8)}`;
}

export function subjectsOf(deployment: string, prefix = 'cascade'): Subjects {
  const root = `${prefix}.${deployment}`;
  const at = (pattern: string, params?: Readonly<Record<string, string>>): string => subjectOf(root, pattern, params);
  const workSubjects = new Map<string, Map<string, string>>();
  return {
    root,
    infer: at(PATTERNS.infer),
    results: at(PATTERNS.results),
    namedResults: (name) => at(PATTERNS.namedResults, { name }),
    // Needed for each request, so we build each only once.
    work: (device, model) => {
      let ofDevice = workSubjects.get(device);
      if (ofDevice === undefined) {
        ofDevice = new Map();
        workSubjects.set(device, ofDevice);
      }
      let subject = ofDevice.get(model);
      if (subject === undefined) {
        subject = at(PATTERNS.work, { device, model });
        ofDevice.set(model, subject);
      }
      return subject;
    },
    deviceWork: (device) => at(PATTERNS.work, { device }),
    audit: (device) => at(PATTERNS.audit, { device }),
    done: (frontend) => at(PATTERNS.done, { frontend }),
    cancel: at(PATTERNS.cancel),
    deviceCancel: (device) => at(PATTERNS.deviceCancel, { device }),
    load: (frontend) => at(PATTERNS.load, { frontend }),
    state: (device) => at(PATTERNS.state, { device }),
    allLoad: at(PATTERNS.load),
    allState: at(PATTERNS.state),
    gear: at(PATTERNS.gear),
    pin: at(PATTERNS.pin),
    plan: at(PATTERNS.plan),
    prepare: at(PATTERNS.prepare),
    tellPlan: at(PATTERNS.tellPlan),
    prepared: at(PATTERNS.prepared),
    commit: at(PATTERNS.commit),
    abort: at(PATTERNS.abort),
    status: at(PATTERNS.status),
    events: at(PATTERNS.events),
    durable: at(PATTERNS.durable),
    dead: at(PATTERNS.dead),
    drift: at(PATTERNS.drift),
  };
}

/**
 * Whether we may publish on a subject chosen by an outsider: not on one of any deployment under our prefix, where actors would trust
 * us, except for this deployment's results; and not on the NATS server's own (`$...`).
 */
export function mayAnswerOn(subjects: Subjects, reply: string): boolean {
  return isPublishable(reply) && !isReserved(subjects, reply);
}

function isReserved({ root, results }: Subjects, reply: string): boolean {
  const prefix = root.slice(0, root.lastIndexOf('.'));
  return reply.startsWith('$') || (isUnder(prefix, reply) && !isUnder(results, reply));
}

function isUnder(root: string, subject: string): boolean {
  return subject.startsWith(root) && (subject.length === root.length || subject[root.length] === '.');
}

/**
 * Where the answer goes: the reply subject or, without one, the results subject or a named one.
 * @throws CascadeError INVALID_ARGUMENT for a reply subject that would let a client misuse our permissions: see `mayAnswerOn`.
 */
export function answerSubject(subjects: Subjects, reply: string, resultsName: string | undefined): string {
  if (reply === '') {
    if (resultsName === undefined || resultsName === '') return subjects.results;
    if (!SUBJECT_TOKEN.test(resultsName)) {
      throw invalid(
        `header Cascade-Results: ${JSON.stringify(resultsName.slice(0, 80))} is not a name; use 1-64 letters, digits, _ or -`,
      );
    }
    return subjects.namedResults(resultsName);
  }
  if (!isPublishable(reply)) {
    throw invalid(
      `reply subject ${JSON.stringify(reply.slice(0, 80))} cannot be published to; use a subject without wildcards, white space or empty tokens`,
    );
  }
  if (isReserved(subjects, reply)) {
    throw invalid(`reply subject ${JSON.stringify(reply.slice(0, 80))} is reserved; use an inbox, or ${subjects.results}.<name>`);
  }
  return reply;
}
