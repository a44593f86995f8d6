/** What part of a file a request gets; `last` is inside. */
export type Part =
  | { readonly part: 'whole' }
  | { readonly part: 'range'; readonly first: number; readonly last: number }
  /** 416, with a reason for the body. */
  | { readonly part: 'none'; readonly reason: string }

/** Reads `Range` against a size (RFC 9110 section 14). A header that is not of the form is as none;
 *  one that names several ranges is refused, so that nobody can ask for a file's bytes many times
 *  over in one answer. Total. Pure. */
export function readRange(header: string | undefined, sizeBytes: number): Part {
  const named = /^bytes=(.*)$/i.exec(header?.trim() ?? '')?.[1]
  if (named === undefined) return { part: 'whole' }
  if (named.includes(',')) return { part: 'none', reason: 'ask for one range at a time' }
  const match = /^\s*(\d{0,15})-(\d{0,15})\s*$/.exec(named)
  const [, from = '', to = ''] = match ?? []
  if (match === null || (from === '' && to === '')) return { part: 'whole' }
  const unsatisfiable: Part = { part: 'none', reason: `the file has ${sizeBytes} bytes` }
  if (from === '') {
    const count = Math.min(Number(to), sizeBytes)
    if (count === 0) return unsatisfiable
    return { part: 'range', first: sizeBytes - count, last: sizeBytes - 1 }
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return { part: 'whole' }
  if (first >= sizeBytes) return unsatisfiable
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1)
  return { part: 'range', first, last }
}

/** Whether `If-Range` (an entity tag, or a date) still names the file as it is (RFC 9110 section
 *  13.1.5: tags are compared strongly, dates exactly). */
export function rangeStillHolds(
  ifRange: string | undefined,
  file: { readonly entityTag: string; readonly lastModified: string },
): boolean {
  const named = ifRange?.trim()
  return named === undefined || named === file.entityTag || named === file.lastModified
}
