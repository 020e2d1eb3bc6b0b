/** How to reach and enter a NATS server. At most one of user, token, credentialsFile and nkeySeedFile. */
export interface NatsOptions {
  /**
   * `nats://host:4222` or `tls://host:4222`, with `user:password@` or `token@` before the host where a server asks for them; the
   * first that answers is used, the others are for reconnecting.
   */
  readonly servers: string | readonly string[];
  /** Shown by the server's monitoring. */
  readonly name?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Path of a `.creds` file (JWT and seed). */
  readonly credentialsFile?: string;
  /** Path of a file with an nkey seed (`SU...`). */
  readonly nkeySeedFile?: string;
  /** Present: only an encrypted connection will do. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
    /** For servers with `handshake_first: true`. */
    readonly handshakeFirst?: boolean;
  };
  /** First tokens of inboxes, for users who may subscribe to one inbox prefix only. Default `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Copies of key-value buckets that are made, in a cluster of servers. Default 1. */
  readonly replicas?: number;
  /** What is published on subjects that only this process listens to (`exclusive`) is delivered without the server. */
  readonly loopback?: boolean;
  /** How long the first connection may take, per server. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Told of lost and regained connections and of refused publishes, which show nowhere else. */
  readonly log?: BusLog;
}

/** The part of a logger that a bus needs. */
export interface BusLog {
  info(message: string): void;
  warn(message: string): void;
}
