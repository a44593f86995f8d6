/** What a loader says of the machine it runs on. */
export interface LoaderWords {
  readonly platform?: string
  readonly uuid?: string
  readonly serial?: string
}

/** What a request asks for. */
export type Asked =
  | { readonly ask: 'chain' }
  | { readonly ask: 'boot'; readonly mac: string; readonly says: LoaderWords }
  | { readonly ask: 'loader'; readonly name: string }
  | { readonly ask: 'system'; readonly name: string }
  | { readonly ask: 'media'; readonly name: string; readonly segments: readonly string[] }
  | { readonly ask: 'image'; readonly name: string }
  | { readonly ask: 'file'; readonly token: string; readonly name: string }
  | { readonly ask: 'event'; readonly token: string; readonly step: string }
  | { readonly ask: 'report'; readonly token: string }
  | { readonly ask: 'orders'; readonly token: string }
  | { readonly ask: 'metrics' }
  /** Nothing of ours. */
  | { readonly ask: 'nothing' }
  /** What no honest client sends: a way upwards, a zero byte, a hidden slash. */
  | { readonly ask: 'hostile'; readonly why: string }

export const URL_LIMIT = 2_048
const MAC_FILE = /^([0-9a-f]{2}(?:[:-][0-9a-f]{2}){5})\.ipxe$/i

/** Reads the target of a request. Percent signs are decoded once and segment by segment, so that
 *  nothing encoded can become a separator; empty segments are left out, because installers join
 *  paths with one slash too many. Total. Pure. */
export function readAddress(target: string): Asked {
  if (target.length > URL_LIMIT) return { ask: 'hostile', why: 'the address is too long' }
  if (!target.startsWith('/')) return { ask: 'hostile', why: 'the address is no path' }
  const [path = '', ...rest] = target.split('?')
  const segments: string[] = []
  for (const raw of path.split('/')) {
    const segment = decodeSegment(raw)
    if (segment === undefined) return { ask: 'hostile', why: 'the path leads out of its tree' }
    if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return route(segments, rest.join('?'))
}

function route(segments: readonly string[], query: string): Asked {
  const [head = '', name = '', third = '', fourth = ''] = segments
  const count = segments.length
  if (count === 1 && head === 'boot.ipxe') return { ask: 'chain' }
  if (count === 1 && head === 'metrics') return { ask: 'metrics' }
  if (count === 2 && head === 'boot') {
    const mac = MAC_FILE.exec(name)?.[1]?.toLowerCase().replaceAll('-', ':')
    return mac === undefined ? { ask: 'nothing' } : { ask: 'boot', mac, says: readWords(query) }
  }
  if (count === 2 && head === 'loader') return { ask: 'loader', name }
  if (count === 2 && head === 'system') return { ask: 'system', name }
  if (count === 2 && head === 'image') return { ask: 'image', name }
  if (count >= 3 && head === 'media') return { ask: 'media', name, segments: segments.slice(2) }
  if (count === 3 && head === 'node' && third === 'report') return { ask: 'report', token: name }
  if (count === 3 && head === 'node' && third === 'orders') return { ask: 'orders', token: name }
  if (count === 4 && head === 'node' && third === 'file') {
    return { ask: 'file', token: name, name: fourth }
  }
  if (count === 4 && head === 'node' && third === 'event') {
    return { ask: 'event', token: name, step: fourth }
  }
  return { ask: 'nothing' }
}

/** iPXE leaves `&` and `+` of a serial number as they are, so it comes last, and is the rest. */
function readWords(query: string): LoaderWords {
  const match = /^platform=([^&]*)&uuid=([^&]*)&serial=(.*)$/.exec(query)
  const [platform, uuid, serial] = (match?.slice(1) ?? []).map(plainWord)
  return {
    ...(platform !== undefined && { platform }),
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
  }
}

/** The decoded text; undefined for none, and for what no board's maker wrote. */
function plainWord(raw: string): string | undefined {
  const text = decode(raw)?.trim()
  return text !== undefined && /^[\x20-\x7e]{1,128}$/.test(text) ? text : undefined
}

function decodeSegment(raw: string): string | undefined {
  const segment = decode(raw)
  return segment === undefined || segment === '..' || /[/\0]/.test(segment) ? undefined : segment
}

function decode(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined
  }
}
