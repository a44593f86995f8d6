/** A flow as the switch tells it. */
export interface FlowEntry {
  readonly table: number
  readonly priority: number
  readonly cookie: bigint
  readonly packets: bigint
  readonly bytes: bigint
  /** Match and instructions as they are on the wire: two flows are the same when these are. */
  readonly text: string
}

/** What a meter has counted. */
export interface MeterEntry {
  readonly number: number
  readonly packets: bigint
  readonly bytes: bigint
  readonly droppedPackets: bigint
  readonly droppedBytes: bigint
}

/** Reads the entries of one reply of flows. Errors: RangeError for a torn message. */
export function readFlows(body: Buffer): readonly FlowEntry[] {
  const found: FlowEntry[] = []
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt16BE(at)
    if (length < 48 || at + length > body.length) throw new RangeError('torn list of flows')
    found.push({
      table: body.readUInt8(at + 2),
      priority: body.readUInt16BE(at + 12),
      cookie: body.readBigUInt64BE(at + 24),
      packets: body.readBigUInt64BE(at + 32),
      bytes: body.readBigUInt64BE(at + 40),
      text: body.toString('latin1', at + 48, at + length),
    })
    at += length
  }
  return found
}

/** Reads the entries of one reply of meters. Errors: RangeError for a torn message. */
export function readMeters(body: Buffer): readonly MeterEntry[] {
  const found: MeterEntry[] = []
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt16BE(at + 4)
    if (length < 40 || at + length > body.length) throw new RangeError('torn list of meters')
    const hasBand = length >= 56
    found.push({
      number: body.readUInt32BE(at),
      packets: body.readBigUInt64BE(at + 16),
      bytes: body.readBigUInt64BE(at + 24),
      droppedPackets: hasBand ? body.readBigUInt64BE(at + 40) : 0n,
      droppedBytes: hasBand ? body.readBigUInt64BE(at + 48) : 0n,
    })
    at += length
  }
  return found
}

/** Events of a flow monitor that were caused by somebody else: those of this connection are told
 *  in an abbreviated form. */
export function countForeignChanges(body: Buffer): number {
  const abbreviated = 4
  let count = 0
  for (let at = 0; at + 4 <= body.length; ) {
    const length = body.readUInt16BE(at)
    if (length < 8) throw new RangeError('torn list of changes')
    if (body.readUInt16BE(at + 2) < abbreviated) count++
    at += length
  }
  return count
}

const errorTypes: Readonly<Record<number, string>> = {
  0: 'hello failed',
  1: 'bad request',
  2: 'bad action',
  3: 'bad instruction',
  4: 'bad match',
  5: 'flow refused',
  6: 'group refused',
  12: 'meter refused',
  13: 'table features refused',
  17: 'bundle failed',
  18: 'flow monitor failed',
  65535: 'refused by Open vSwitch',
}

const errorCodes: Readonly<Record<string, string>> = {
  '2/4': 'a port that does not exist',
  '2/5': 'an argument out of range',
  '2/10': 'an action that its match does not allow',
  '4/9': 'a field that needs another before it',
  '4/10': 'a field twice',
  '5/1': 'the table is full',
  '12/1': 'the meter exists already',
  '12/4': 'no such meter',
  '12/5': 'a rate the datapath cannot have',
  '12/10': 'no more meters',
  '12/12': 'no such meter',
}

/** What an error message says, in words with its numbers. */
export function errorText(body: Buffer): string {
  const type = body.readUInt16BE(0)
  const code = body.readUInt16BE(2)
  const what = errorTypes[type] ?? 'error'
  const why = errorCodes[`${type}/${code}`]
  return `${what}${why === undefined ? '' : `: ${why}`} (type ${type}, code ${code})`
}
