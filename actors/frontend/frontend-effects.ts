import type { Effect } from '../../engine/actor/effect.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import type { Failure, WorkItem } from '../../plans/protocol/messages.ts';

/** Effects of a frontend's core. */
export type FrontendEffect = Effect<FrontendTask>;

export type FrontendTask =
  /** Requests arrived, whether or not they are accepted, because the gear must follow the demand. */
  | { readonly type: 'arrived'; readonly requests: number }
  | { readonly type: 'work'; readonly device: string; readonly model: string; readonly item: WorkItem; readonly bytes: number }
  | { readonly type: 'fail'; readonly reply: string; readonly json: boolean; readonly failures: readonly Failure[] }
  /** Its client cancelled it. */
  | { readonly type: 'cancel'; readonly device: string; readonly seq: number }
  /** Another frontend may have the requests. */
  | { readonly type: 'pass-on'; readonly cancellation: Cancellation; readonly bytes: number }
  /** See ReplyRoutes. */
  | { readonly type: 'close-reply'; readonly reply: string }
  /** Every model of the gear is reachable for the first time. */
  | { readonly type: 'routable' };
