/** Something that a person may want to know of the boot service, for the daemon's events. */
export interface BootNotice {
  readonly what:
    | 'dhcp-ended'
    | 'dhcp-serves'
    | 'dhcp-failed'
    /** A machine that is not known asked for an address; told once in ten minutes for a MAC. */
    | 'stranger'
    /** A machine whose processor no loader of ours is for. */
    | 'architecture-refused'
    | 'foreign-server'
    | 'foreign-server-gone'
    /** A request that no honest node makes: a token at another's address, a path out of a tree. */
    | 'hostile-request'
    /** A request that was not answered for a fault of ours. */
    | 'fault'
  /** `alert`: a person should look now. */
  readonly level: 'note' | 'warning' | 'alert'
  /** One sentence. */
  readonly message: string
  readonly mac?: string
  readonly address?: string
}
