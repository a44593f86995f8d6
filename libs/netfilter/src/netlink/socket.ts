import type { Packet } from '../packet.ts'
import type { TableFamily } from '../target/names.ts'
import type { Chain, NamedSet, SetElement, SetShape } from '../target/statement.ts'
import type { Change } from './change.ts'
import type { Connection } from './connection.ts'

/** Every call has a deadline: `timeoutMs`, else the call's own. */
export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

export interface CommitOptions extends CallOptions {
  /** Commit only onto this generation of the kernel's rules (`generation`): where anybody has
   *  changed any table since, nothing is done and PUR_NFT_CONCURRENT is thrown. */
  readonly onto?: number
  /** Nobody is told of it by this socket's `watchRules`, which spares the kernel and us a message
   *  for each element. Nor is what others commit meanwhile: a generation that was neither made
   *  here nor told is one of those. */
  readonly unheard?: boolean
}

/** A table as the kernel holds it. */
export interface ReadTable {
  readonly table: TableFamily
  /** Whether it carries our mark, a counter of a certain name. */
  readonly owned: boolean
  /** By `TABLE/NAME`. Rules that hold more than our model says are in `foreign`. */
  readonly chains: ReadonlyMap<string, Chain>
  /** Named sets and maps by `TABLE/NAME`. */
  readonly sets: ReadonlyMap<string, NamedSet>
  /** Handles of each chain's rules in order, by `TABLE/NAME`: traces name rules by them. */
  readonly handles: ReadonlyMap<string, readonly bigint[]>
  /** One text for each thing that is none of ours by its kind: a rule with other expressions
   *  (`rule inet/CHAIN HANDLE: …`), a set of another type, an object, a flowtable. Empty in a table
   *  that only Purlin wrote. */
  readonly foreign: readonly string[]
}

export interface Counter {
  readonly packets: bigint
  readonly bytes: bigint
}

/** Counters of one table: of rules by `TABLE/CHAIN` in the order of the rules (undefined: a rule
 *  without counter), of elements by `TABLE/SET` and `elementKey`. */
export interface ReadCounters {
  readonly rules: ReadonlyMap<
    string,
    readonly { readonly id: string; readonly counter?: Counter }[]
  >
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, Counter>>
}

/** A committed transaction that somebody (we too) made. */
export interface RulesetChange {
  /** Our tables that it changed; empty where it is of others only. */
  readonly tables: ReadonlySet<TableFamily>
  /** `chain inet/x`, `rule inet/x`, `set inet/y`, `element inet/y`, `table inet`, in order. */
  readonly objects: readonly string[]
  /** Whether this socket's own `commit` made it. */
  readonly own: boolean
  /** The changer's process id and name as the kernel tells; 0 where it is of another namespace. */
  readonly processId: number
  readonly processName: string
  readonly generation: number
  /** Messages were lost before this one: what is in the kernel is not known. */
  readonly lost: boolean
}

/** A packet that a rule with `log` sent. */
export interface LoggedPacket {
  readonly prefix: string
  readonly receivedMs: number
  /** Of our own rules: that with which the packet came to its list. */
  readonly mark: number
  /** Undefined where the headers cannot be read (ARP, a fragment). */
  readonly packet: Packet | undefined
  readonly lengthBytes: number
}

/** One step of a traced packet. */
export interface TraceStep {
  /** One number per packet and hook traversal. */
  readonly id: number
  readonly table: string
  readonly family: TableFamily | 'ip' | 'ip6' | 'other'
  readonly chain: string
  readonly type: 'rule' | 'return' | 'policy'
  /** Present with type `rule`. */
  readonly ruleHandle: bigint | undefined
  readonly verdict: string
  /** Where `verdict` is jump or goto. */
  readonly target: string | undefined
  readonly mark: number
  readonly inputDevice: number | undefined
  readonly outputDevice: number | undefined
  /** In the packet's first step of a hook; undefined in later ones. */
  readonly packet: Packet | undefined
}

/** Ends a subscription. */
export type Stop = () => void

/** The kernel's netfilter by netlink, in the network namespace of the thread that opened it. */
export interface NetfilterSocket {
  /** The present generation of the kernel's rules: any committed transaction of anybody makes it
   *  another. */
  generation(options?: CallOptions): Promise<number>
  /** One transaction: all changes take effect at once, or none. Gives the generation it made.
   *  Errors: PUR_NFT_REFUSED (with the refused changes in words and the kernel's error),
   *  PUR_NFT_CONCURRENT, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
  commit(changes: readonly Change[], options?: CommitOptions): Promise<number>
  /** Our tables, or some of them; those that do not exist are absent. One consistent state: a
   *  change meanwhile makes it begin anew. Errors: PUR_NFT_UNREADABLE. */
  readTables(
    tables?: readonly TableFamily[],
    options?: CallOptions,
  ): Promise<{ readonly generation: number; readonly tables: ReadonlyMap<TableFamily, ReadTable> }>
  /** The elements of one set of ours. Errors: PUR_NFT_UNREADABLE. */
  readElements(set: SetShape, options?: CallOptions): Promise<readonly SetElement[]>
  /** Those of the elements that a set without ranges has, as it has them: a look at some of many.
   *  One that is missing may hide others. Errors: PUR_NFT_UNREADABLE. */
  findElements(
    set: SetShape,
    elements: readonly SetElement[],
    options?: CallOptions,
  ): Promise<readonly SetElement[]>
  /** Some chains with their rules, by `TABLE/NAME`, without reading the rest of their tables: what
   *  a small commit has written is read back so. A missing chain has no rules; one with a rule that
   *  is none of ours by its kind is absent. Errors: PUR_NFT_UNREADABLE. */
  readChains(
    chains: readonly Pick<Chain, 'table' | 'name' | 'hook'>[],
    options?: CallOptions,
  ): Promise<ReadonlyMap<string, Chain>>
  /** What rules and elements of table inet, or another, have counted. */
  readCounters(table?: TableFamily, options?: CallOptions): Promise<ReadCounters>
  /** Tells of every committed transaction, in order, until stopped. */
  watchRules(onChange: (change: RulesetChange) => void): Stop
  /** Entries of conntrack in the given zones (absent: in all). */
  listConnections(
    filter?: { readonly zones?: ReadonlySet<number> },
    options?: CallOptions,
  ): Promise<readonly Connection[]>
  /** Deletes exactly these entries, by tuple, zone and id; gives how many there still were. */
  deleteConnections(entries: readonly Connection[], options?: CallOptions): Promise<number>
  /** Packets of an nflog group, until stopped. One listener a group. Errors: PUR_NFT_REFUSED. */
  watchLogs(group: number, onPacket: (packet: LoggedPacket) => void): Promise<Stop>
  /** Steps of packets that a rule marked with `meta nftrace set 1`, until stopped. */
  watchTraces(onTrace: (step: TraceStep) => void): Stop
  close(): void
}
