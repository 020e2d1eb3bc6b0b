import type { Codec } from '../../engine/actor/channel.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import { decode, encode } from './codec.ts';
import type { DoneFrame } from './messages.ts';

/** Checked by hand for speed: one comes with every batch, with a number per request. */
export const doneCodec: Codec<DoneFrame> = {
  encode,
  decode(data) {
    let value: { [K in keyof DoneFrame]?: unknown } | null;
    try {
      value = decode(data);
    } catch {
      throw new MalformedMessage('done', 'not MessagePack');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedMessage('done', 'not a map');
    const { device, finished, dropped, moved } = value;
    if (typeof device !== 'string') throw new MalformedMessage('done', 'device');
    if (!areNumbers(finished)) throw new MalformedMessage('done', 'finished');
    if (!isCount(dropped) || dropped > finished.length) throw new MalformedMessage('done', 'dropped');
    if (!Array.isArray(moved) || !moved.every(isMove)) throw new MalformedMessage('done', 'moved');
    return { device, finished, dropped, moved };
  },
};

function isMove(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { device, seqs } = value as { device?: unknown; seqs?: unknown };
  return typeof device === 'string' && areNumbers(seqs);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (!Number.isSafeInteger(value[i])) return false;
  return true;
}
