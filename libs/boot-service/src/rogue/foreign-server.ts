/** A DHCP server on the deployment network that is not ours. */
export interface ForeignServer {
  /** What it calls itself (server identifier, RFC 2132 section 9.7). */
  readonly server: string
  /** The address that it offered. */
  readonly offered: string
  /** The file it would have machines boot; absent where it names none. */
  readonly bootFile?: string
}
