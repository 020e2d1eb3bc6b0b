import type { z } from 'zod';
import type { Codec } from '../../engine/actor/channel.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import { decode, encode } from './codec.ts';

/** The type that a schema describes. Messages are never modified; zod's `readonly()` would freeze them, which is slow and fails on bytes. */
export type Message<Schema extends z.ZodType> = Frozen<z.infer<Schema>>;

type Frozen<T> = T extends Uint8Array | GearPlan
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Frozen<T[Key]> }
      : T;

/**
 * MessagePack described by a schema. Unknown fields are dropped, so that processes of two versions understand each other.
 * @param kind names the message in drop counts.
 */
export function schemaCodec<Schema extends z.ZodType>(kind: string, schema: Schema): Codec<Message<Schema>> {
  return {
    encode,
    decode(data) {
      let value: unknown;
      try {
        value = decode(data);
      } catch {
        throw new MalformedMessage(kind, 'not MessagePack');
      }
      const parsed = schema.safeParse(value);
      if (parsed.success) return parsed.data as Message<Schema>;
      const issue = parsed.error.issues[0];
      throw new MalformedMessage(kind, String(issue?.path[0] ?? 'not a map'), issue?.message);
    },
  };
}
