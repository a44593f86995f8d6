/** Where a node reaches this server: `http://10.88.0.1:8088`, and the same by HTTPS where the
 *  service has a certificate. */
export interface ServerUrls {
  readonly http: string
  readonly https?: string
}

/** A node that asks what to boot. */
export interface BootRequest {
  /** The deployment network that it asks on. */
  readonly network: string
  /** Lower case, colons. */
  readonly mac: string
  /** The address it asks from: the one reserved for the MAC, or leased to it while the enrol window
   *  is open. */
  readonly address: string
  readonly firmware: 'bios' | 'uefi'
  readonly loader: 'ipxe'
  /** Name of the host it is reserved for; absent for a stranger in the enrol window. */
  readonly name?: string
  /** What the loader read from the machine's SMBIOS tables; the node's word, not proven. */
  readonly uuid?: string
  readonly serial?: string
  readonly urls: ServerUrls
}

/** How a node with a token reached this server. The desk keeps only the token's SHA-256, and what
 *  it renders for the node names the token again. */
export interface NodeReach {
  readonly token: string
  /** `http(s)://SERVER:PORT/node/TOKEN`, as the node reached it. */
  readonly url: string
  readonly urls: ServerUrls
}

/** What the node that asked boots. Paths are of this server and begin with `/`. An argument is one
 *  word of a kernel's command line: printable ASCII without spaces. Initrds are loaded in their
 *  order; an uncompressed one must come before a compressed one whose size may be odd. */
export type BootDecision =
  | { readonly boot: 'disk' }
  | { readonly boot: 'refused'; readonly reason: string }
  | { readonly boot: 'discovery'; readonly arguments: readonly string[] }
  | {
      readonly boot: 'installer'
      readonly kernel: string
      readonly initrds: readonly string[]
      readonly arguments: readonly string[]
    }

/** What a token allows: it is good for one node at its addresses until a time. */
export interface Grant {
  /** SHA-256 of the token, 64 hexadecimal digits. */
  readonly tokenSha256: string
  /** Name of the chassis. */
  readonly node: string
  /** Where the node may ask from: the address that is reserved for it, and those that the system
   *  has once it is installed. */
  readonly addresses: readonly string[]
  /** Wall time, milliseconds since 1970. */
  readonly expiresAtMs: number
}

/** An answer that is no: 404 nothing of that name, 403 not for this node, 409 not in this state,
 *  410 no longer. The reason is one sentence and is sent to the node. */
export interface Refusal {
  readonly ok: false
  readonly status: 401 | 403 | 404 | 409 | 410 | 413 | 415 | 422 | 429 | 503
  readonly reason: string
}

export type Answer = { readonly ok: true } | Refusal

/** A file that is made for one node. `once`: it holds secrets and is served a single time. */
export interface NodeFile {
  readonly ok: true
  readonly content: string | Uint8Array
  readonly once: boolean
  /** `text/plain; charset=utf-8` where absent. */
  readonly contentType?: string
}

/** A tree that nodes read: an installation medium, or a root image. */
export interface TreeName {
  readonly tree: 'media' | 'image'
  readonly name: string
}

/** Where a tree lies: a folder for a medium, a file for an image. */
export type Reading = { readonly ok: true; readonly path: string } | Refusal

/** What a node is told to do; the shapes are in docs/bare-metal.md. */
export interface NodeOrder {
  readonly order: string
}

/** Who decides: the conductor of the daemon. Every call may be made twice, and from hostile nodes;
 *  the service has checked the token, its node's address and its time, and the sizes. */
export interface NodeDesk {
  /** What a node boots, computed when it asks. */
  onBoot(request: BootRequest): Promise<BootDecision>
  /** The grant of a token by its SHA-256 (64 hexadecimal digits). Also an expired one, so that the
   *  node is told so. */
  grantOf(tokenSha256: string): Grant | undefined
  fileOf(grant: Grant, name: string, reached: NodeReach): Promise<NodeFile | Refusal>
  /** Records, durably and before it answers, that a file of one use is served now. False: it was
   *  before. Of two calls at once, one is true. */
  spendFile(grant: Grant, name: string): Promise<boolean>
  /** A step was reached; `message` is one line of at most 4,096 characters. */
  onEvent(grant: Grant, step: string, message: string | undefined): Promise<Answer>
  /** The discovery report: JSON of at most 4 MiB, its shape not checked yet. */
  onReport(grant: Grant, report: unknown): Promise<Answer>
  /** What to do next. The signal is aborted when the node hangs up, or after 25 s; the node is then
   *  told to wait, whatever comes. */
  ordersOf(grant: Grant, signal: AbortSignal, reached: NodeReach): Promise<NodeOrder | Refusal>
  /** Whether the node at the address may read the tree now. */
  mayRead(address: string, tree: TreeName): Promise<Reading>
  /** Prometheus text of an instance, at most 1 MiB; `bearer` is the token that it came with. The
   *  answer goes back as it is. */
  onMetrics(
    bearer: string | undefined,
    body: Uint8Array,
  ): Promise<{ readonly status: number; readonly message: string }>
}

/** A refusal; `reason` is one sentence for the node's console. */
export function refusal(status: Refusal['status'], reason: string): Refusal {
  return { ok: false, status, reason }
}
