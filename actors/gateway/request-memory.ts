import { CascadeError } from '../../engine/errors.ts';

/** For all requests that are being read or waiting for their answers, by HTTP and gRPC. */
const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
const RETRY_AFTER_MS = 1_000;

/** Accounts for bytes before they are kept. @throws CascadeError RESOURCE_EXHAUSTED when other requests use all the memory. */
export type Take = (bytes: number) => void;

/** What one user of the memory has taken. */
export interface MemoryAccount {
  readonly take: Take;
  /** Default: everything. No effect beyond what is taken. */
  readonly giveBack: (bytes?: number) => void;
}

/** Bounds the memory for the requests of a gateway. */
export class RequestMemory {
  readonly #limit: number;
  #bytes = 0;

  constructor(limit = MAX_TOTAL_BYTES) {
    this.#limit = limit;
  }

  /** Its user has to give everything back. */
  open(): MemoryAccount {
    let taken = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#limit) {
          throw new CascadeError(
            'RESOURCE_EXHAUSTED',
            'the requests in progress use all the memory reserved for them',
            RETRY_AFTER_MS,
          );
        }
        taken += bytes;
        this.#bytes += bytes;
      },
      giveBack: (bytes = taken) => {
        const given = Math.min(bytes, taken);
        taken -= given;
        this.#bytes -= given;
      },
    };
  }

  /** Gives back what `use` takes when it is done. */
  async with<T>(use: (take: Take) => Promise<T>): Promise<T> {
    const { take, giveBack } = this.open();
    try {
      return await use(take);
    } finally {
      giveBack();
    }
  }
}
