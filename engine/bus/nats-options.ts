/** How to connect to a NATS server. Set at most one of user, token, credentialsFile and nkeySeedFile. */
export interface NatsOptions {
  /**
   * `nats://host:4222` or `tls://host:4222`, with `user:password@` or `token@` before the host if the server needs them. The first that
   * answers is used; the others are for reconnecting.
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
  /** If present, only encrypted connections are accepted. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
    /** For servers with `handshake_first: true`. */
    readonly handshakeFirst?: boolean;
  };
  /** First tokens of inboxes, for users who may subscribe to only one inbox prefix. Default `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Copies of the key-value buckets that we create, in a cluster of servers. Default 1. */
  readonly replicas?: number;
  /** Deliver messages on subjects that only this process listens to (`exclusive`) without the server. */
  readonly loopback?: boolean;
  /** Timeout of the first connection, per server. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Logs lost and regained connections and refused publishes, which show nowhere else. */
  readonly log?: BusLog;
}

/** The part of a logger that a bus needs. */
export interface BusLog {
  info(message: string): void;
  warn(message: string): void;
}
