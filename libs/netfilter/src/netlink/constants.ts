/** Numbers of the kernel's `netlink.h`, `nfnetlink.h` and `nf_tables.h`, as far as we use them. */

export const NETLINK_NETFILTER = 12

export const messageFlag = {
  request: 0x1,
  ack: 0x4,
  dump: 0x300,
  dumpInterrupted: 0x10,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const

export const controlType = { error: 2, done: 3 } as const

export const subsystem = { conntrack: 1, log: 4, tables: 10 } as const

export const batchType = { begin: 0x10, end: 0x11 } as const
export const BATCH_GENERATION = 1

/** Groups of notifications. */
export const group = { tables: 7, trace: 9 } as const

/** Message types of nf_tables; on the wire `subsystem.tables << 8 | type`. */
export const tablesType = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  deleteChain: 5,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  getSet: 10,
  deleteSet: 11,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  newGeneration: 15,
  getGeneration: 16,
  trace: 17,
  newObject: 18,
  getObject: 19,
  deleteObject: 20,
  newFlowtable: 22,
  getFlowtable: 23,
  deleteFlowtable: 24,
} as const

/** Protocol families of netfilter. */
export const family = { unspecified: 0, inet: 1, ipv4: 2, arp: 3, bridge: 7, ipv6: 10 } as const

export const tableAttribute = { name: 1, flags: 2 } as const
export const chainAttribute = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const
export const hookAttribute = { number: 1, priority: 2, device: 3, devices: 4 } as const
export const ruleAttribute = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  userData: 7,
} as const
export const setAttribute = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  description: 9,
  id: 10,
  timeout: 11,
  userData: 13,
  objectType: 15,
  expression: 17,
} as const
export const setDescription = { size: 1, concatenation: 2, fieldLength: 1 } as const
export const setFlag = {
  anonymous: 0x1,
  constant: 0x2,
  interval: 0x4,
  map: 0x8,
  concatenation: 0x80,
} as const
export const elementListAttribute = { table: 1, set: 2, elements: 3, setId: 4 } as const
export const elementAttribute = {
  key: 1,
  data: 2,
  flags: 3,
  userData: 6,
  expression: 7,
  keyEnd: 10,
} as const
export const ELEMENT_INTERVAL_END = 1

export const objectAttribute = { table: 1, name: 2, type: 3, data: 4 } as const
export const OBJECT_COUNTER = 1

export const dataAttribute = { value: 1, verdict: 2 } as const
export const verdictAttribute = { code: 1, chain: 2 } as const
/** As unsigned numbers, since attributes are read so. */
export const verdictCode = {
  drop: 0,
  accept: 1,
  continue: 0xffff_ffff,
  jump: 0xffff_fffd,
  goto: 0xffff_fffc,
  return: 0xffff_fffb,
} as const
export const DATA_TYPE_VERDICT = 0xffff_ff00

export const LIST_ITEM = 1
export const expressionAttribute = { name: 1, content: 2 } as const

export const comparison = { equal: 0, notEqual: 1, lessOrEqual: 3, greaterOrEqual: 5 } as const

/** Numbers of user data: nft's own, the kernel only keeps them. */
export const ruleUserData = { comment: 0 } as const
export const elementUserData = { comment: 0, flags: 1 } as const
export const ELEMENT_OPEN_INTERVAL = 1
export const setUserData = {
  keyByteOrder: 0,
  dataByteOrder: 1,
  mergeElements: 2,
  keyTypeOf: 3,
  dataInterval: 6,
  comment: 7,
} as const
/** How nft notes of which expression a set's keys are, and a payload that it has no name for. */
export const typeOfNote = { expression: 0, content: 1, payload: 7 } as const
export const rawPayload = {
  description: 0,
  type: 1,
  base: 2,
  offset: 3,
  length: 4,
  transport: 3,
} as const

/** Hooks by their numbers. */
export const hookNames = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const

/** Error numbers of the kernel that are spoken about. */
export const errno = {
  ENOENT: 2,
  EINTR: 4,
  EAGAIN: 11,
  EBUSY: 16,
  EEXIST: 17,
  ERESTART: 85,
  EMSGSIZE: 90,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
} as const
