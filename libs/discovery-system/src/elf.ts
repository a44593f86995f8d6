const PROGRAM_LOAD = 1
const PROGRAM_DYNAMIC = 2
const PROGRAM_INTERPRETER = 3
const DYNAMIC_END = 0n
const DYNAMIC_NEEDED = 1n
const DYNAMIC_STRINGS = 5n
const SEGMENTS_MAX = 256

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: bigint
  readonly sizeBytes: number
}

/** What a program or library of x86-64 needs beside it: the names of its shared libraries, and the
 *  path of the loader that starts it. Both are empty for a static program and for what is no ELF
 *  file of 64 bits. Pure. Throws RangeError for a file that is cut off.
 *  Source: System V ABI, chapters 4 (headers) and 5 (dynamic linking). */
export function neededLibraries(file: Buffer): {
  readonly libraries: readonly string[]
  readonly loader: string | undefined
} {
  const isElf = file.length >= 64 && file.readUInt32BE(0) === 0x7f45_4c46 && file[4] === 2
  if (!isElf) return { libraries: [], loader: undefined }
  const segments = segmentsOf(file)
  const dynamic = segments.find(({ type }) => type === PROGRAM_DYNAMIC)
  const interpreter = segments.find(({ type }) => type === PROGRAM_INTERPRETER)
  return {
    libraries: dynamic === undefined ? [] : librariesOf(file, segments, dynamic),
    loader: interpreter === undefined ? undefined : textAt(file, interpreter.offset),
  }
}

function segmentsOf(file: Buffer): readonly Segment[] {
  const start = Number(file.readBigUInt64LE(32))
  const entryBytes = file.readUInt16LE(54)
  const count = Math.min(file.readUInt16LE(56), SEGMENTS_MAX)
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: file.readBigUInt64LE(at + 16),
      sizeBytes: Number(file.readBigUInt64LE(at + 32)),
    }
  })
}

function librariesOf(file: Buffer, segments: readonly Segment[], dynamic: Segment): string[] {
  const entries: (readonly [tag: bigint, value: bigint])[] = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.sizeBytes; at += 16) {
    const tag = file.readBigUInt64LE(at)
    if (tag === DYNAMIC_END) break
    entries.push([tag, file.readBigUInt64LE(at + 8)])
  }
  const address = entries.find(([tag]) => tag === DYNAMIC_STRINGS)?.[1]
  if (address === undefined) return []
  const holder = segments.find(
    (segment) =>
      segment.type === PROGRAM_LOAD &&
      address >= segment.address &&
      address < segment.address + BigInt(segment.sizeBytes),
  )
  if (holder === undefined) return []
  const strings = holder.offset + Number(address - holder.address)
  return entries
    .filter(([tag]) => tag === DYNAMIC_NEEDED)
    .map(([, value]) => textAt(file, strings + Number(value)))
}

function textAt(file: Buffer, offset: number): string {
  const end = file.indexOf(0, offset)
  return file.toString('latin1', offset, end < 0 ? file.length : end)
}
